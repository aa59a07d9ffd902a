package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// OwnerRole is the id of the predefined role Owner.
const OwnerRole vitrine.ID = "owner"

// The ids of the other predefined roles and of the shipped constraints stand in
// policy files and scripts; none is ever used for something else.

// images lists all permissions on images.
var images = []vitrine.Permission{
	vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate,
	vitrine.ImageUpdate, vitrine.ImageMove, vitrine.ImageClassify, vitrine.ImageDelete, vitrine.ImageHold,
}

// administration is how access is changed: who holds one of these could let
// herself in, or be let in by a friend.
var administration = []vitrine.Permission{
	vitrine.RoleBind, vitrine.RoleEdit, vitrine.DenyEdit, vitrine.ConstraintEdit, vitrine.PrincipalEdit, vitrine.KeyIssue,
}

// places is seeing which places there are.
var places = []vitrine.Permission{vitrine.ProjectView, vitrine.DatasetView}

// plain grants permissions that no data is compared for.
func plain(permissions ...vitrine.Permission) vitrine.Grant {
	return vitrine.Grant{Permissions: permissions}
}

// hand grants the giving of permissions, not their use.
func hand(permissions ...vitrine.Permission) vitrine.Grant {
	return vitrine.Grant{Permissions: permissions, NoUse: true, Give: true}
}

// handImages grants the giving of everything about images, and the use of
// nothing: administrators do not see pictures.
func handImages() vitrine.Grant {
	return vitrine.Grant{
		Permissions: slices.Clone(images), Categories: slices.Clone(vitrine.Categories), Tiers: slices.Clone(vitrine.Tiers),
		NoUse: true, Give: true,
	}
}

// both grants use and giving.
func both(permissions ...vitrine.Permission) vitrine.Grant {
	return vitrine.Grant{Permissions: permissions, Give: true}
}

// Predefined are the ten predefined roles, each made anew: the working roles,
// those who watch, those who administer.
func Predefined() []*vitrine.Role {
	return []*vitrine.Role{
		imageUser(), dataScientist(), modelTester(), usageReader(), dataSteward(),
		securityAuditor(), accessApprover(),
		projectAdmin(), organizationAdmin(), owner(),
	}
}

// imageUser may create at any tier but open no more than what is internal: what
// she could not open is never generated for her.
func imageUser() *vitrine.Role {
	return &vitrine.Role{
		ID: "ai-image-user", Name: "AI Image User",
		Description: "Generates images, sees deployments, calls the API, opens what is public or internal.",
		Grants: []vitrine.Grant{
			plain(append([]vitrine.Permission{vitrine.ModelView, vitrine.ModelGenerate}, places...)...),
			{Permissions: []vitrine.Permission{vitrine.ImageCreate}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: slices.Clone(vitrine.Tiers)},
			{Permissions: []vitrine.Permission{vitrine.ImageOpen}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: slices.Clone(vitrine.TiersUpTo(vitrine.Internal))},
		},
	}
}

func dataScientist() *vitrine.Role {
	return &vitrine.Role{
		ID: "ai-data-scientist", Name: "AI Data Scientist",
		Description: "Creates and deploys models, uploads and reads datasets, reads and writes files.",
		Grants: []vitrine.Grant{
			plain(vitrine.ModelView, vitrine.ModelDeploy, vitrine.ModelRequest, vitrine.ProjectView, vitrine.DatasetView, vitrine.DatasetEdit),
			{
				Permissions: []vitrine.Permission{vitrine.ImageCreate, vitrine.ImageOpen, vitrine.ImageUpdate},
				Categories:  []vitrine.Category{vitrine.Training, vitrine.Reference, vitrine.Evaluation, vitrine.ModelFile, vitrine.Configuration},
				Tiers:       slices.Clone(vitrine.TiersUpTo(vitrine.Confidential)),
			},
		},
	}
}

func modelTester() *vitrine.Role {
	return &vitrine.Role{
		ID: "model-tester", Name: "Model Tester",
		Description: "Reads models, asks for capabilities, runs evaluations.",
		Grants: []vitrine.Grant{
			plain(append([]vitrine.Permission{vitrine.ModelView, vitrine.ModelRequest, vitrine.ModelEvaluate}, places...)...),
			{
				Permissions: []vitrine.Permission{vitrine.ImageCreate, vitrine.ImageOpen},
				Categories:  []vitrine.Category{vitrine.Evaluation}, Tiers: slices.Clone(vitrine.TiersUpTo(vitrine.Internal)),
			},
		},
	}
}

func usageReader() *vitrine.Role {
	return &vitrine.Role{
		ID: "usage-reader", Name: "Usage Reader",
		Description: "Sees quotas and usage, nothing else.",
		Grants:      []vitrine.Grant{plain(vitrine.UsageView, vitrine.BudgetView)},
	}
}

// dataSteward may neither bring pictures in nor make them.
func dataSteward() *vitrine.Role {
	return &vitrine.Role{
		ID: "data-steward", Name: "Data Steward",
		Description: "Keeps datasets: opens, classifies, moves, releases, deletes and holds what lies in them.",
		Grants: []vitrine.Grant{
			plain(vitrine.ProjectView, vitrine.DatasetView, vitrine.DatasetEdit),
			{
				Permissions: []vitrine.Permission{
					vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageUpdate, vitrine.ImageMove, vitrine.ImageClassify, vitrine.ImageDelete,
					vitrine.ImageHold,
				},
				Categories: slices.Clone(vitrine.Categories), Tiers: slices.Clone(vitrine.Tiers),
			},
		},
	}
}

func securityAuditor() *vitrine.Role {
	return &vitrine.Role{
		ID: "security-auditor", Name: "Security Auditor",
		Description: "Reads and exports the log, sees who may do what and why, changes nothing and sees no picture.",
		Grants: []vitrine.Grant{plain(
			vitrine.LogView, vitrine.LogExport, vitrine.AccessExplain, vitrine.RoleView, vitrine.PrincipalView, vitrine.KeyView, vitrine.SystemView,
			vitrine.ProjectView, vitrine.DatasetView, vitrine.ModelView, vitrine.ProviderView, vitrine.UsageView, vitrine.BudgetView,
		)},
	}
}

func accessApprover() *vitrine.Role {
	return &vitrine.Role{
		ID: "access-approver", Name: "Access Approver",
		Description: "Approves what other people proposed.",
		Grants: []vitrine.Grant{plain(
			vitrine.ChangeApprove, vitrine.AccessExplain, vitrine.RoleView, vitrine.PrincipalView,
			vitrine.ProjectView, vitrine.DatasetView, vitrine.ModelView,
		)},
	}
}

// projectAdmin gives what the working roles hold, and her own role.
func projectAdmin() *vitrine.Role {
	return &vitrine.Role{
		ID: "project-admin", Name: "Project Admin",
		Description: "Runs a project: its datasets, deployments and who works in it. Sees no picture.",
		Grants: []vitrine.Grant{
			both(
				vitrine.ProjectView, vitrine.ProjectEdit, vitrine.DatasetView, vitrine.DatasetEdit, vitrine.ModelView, vitrine.ModelDeploy,
				vitrine.UsageView, vitrine.BudgetView, vitrine.RoleView, vitrine.PrincipalView, vitrine.RoleBind, vitrine.DenyEdit, vitrine.AccessExplain,
			),
			hand(vitrine.ModelRequest, vitrine.ModelGenerate, vitrine.ModelEvaluate),
			handImages(),
		},
	}
}

// organizationAdmin neither approves changes nor appoints who does: approvers
// are there to check the administrators.
func organizationAdmin() *vitrine.Role {
	return &vitrine.Role{
		ID: "organization-admin", Name: "Organization Admin",
		Description: "Runs the organization: projects, people, roles, providers, budgets. Sees no picture.",
		Grants: []vitrine.Grant{
			both(
				vitrine.ProjectView, vitrine.ProjectEdit, vitrine.DatasetView, vitrine.DatasetEdit, vitrine.ModelView, vitrine.ModelDeploy,
				vitrine.ProviderView, vitrine.ProviderEdit, vitrine.UsageView, vitrine.BudgetView, vitrine.BudgetEdit,
				vitrine.PrincipalView, vitrine.PrincipalEdit, vitrine.KeyView, vitrine.KeyIssue, vitrine.KeyRevoke,
				vitrine.RoleView, vitrine.RoleEdit, vitrine.RoleBind, vitrine.DenyEdit, vitrine.ConstraintEdit, vitrine.AccessExplain,
				vitrine.LogView, vitrine.SystemView, vitrine.SystemEdit, vitrine.SystemBackup,
			),
			hand(vitrine.ModelRequest, vitrine.ModelGenerate, vitrine.ModelEvaluate, vitrine.LogExport),
			handImages(),
		},
	}
}

// owner gives everything there is.
func owner() *vitrine.Role {
	r := organizationAdmin()
	r.ID, r.Name = OwnerRole, "Owner"
	r.Description = "Holds the installation: everything that an Organization Admin does, and appoints owners, administrators and approvers. Sees no picture."
	r.Grants[0].Permissions = append(r.Grants[0].Permissions, vitrine.LogExport)
	r.Grants[1].Permissions = []vitrine.Permission{vitrine.ModelRequest, vitrine.ModelGenerate, vitrine.ModelEvaluate, vitrine.ChangeApprove}
	return r
}

// Shipped are the constraints that init installs in organization org, each made
// anew. solo is for one person trying it out: she may both administer and look,
// and is the only owner.
func Shipped(org vitrine.ID, solo bool) []*vitrine.Constraint {
	all := []*vitrine.Constraint{
		owners(org, solo),
		{
			ID: "makers-do-not-release", Kind: vitrine.StaticSoD, Scope: org, Max: 3,
			Reason: "nobody generates, stores and takes out images in one project",
			Sets: []vitrine.RoleSet{
				{Name: "generates", Permissions: []vitrine.Permission{vitrine.ModelGenerate}},
				{Name: "moves or re-tiers", Permissions: []vitrine.Permission{vitrine.ImageMove, vitrine.ImageClassify}},
				{Name: "takes out", Permissions: []vitrine.Permission{vitrine.ImageExport}},
			},
		},
		{
			ID: "uploaders-do-not-release", Kind: vitrine.StaticSoD, Scope: org, Max: 2,
			Reason: "who uploads training data does not release it",
			Sets: []vitrine.RoleSet{
				{Name: "uploads training data", Permissions: []vitrine.Permission{vitrine.ImageCreate}, Categories: []vitrine.Category{vitrine.Training}},
				{Name: "releases training data", Permissions: []vitrine.Permission{vitrine.ImageExport}, Categories: []vitrine.Category{vitrine.Training}},
			},
		},
		{
			ID: "requesters-do-not-approve", Kind: vitrine.StaticSoD, Scope: org, Max: 2,
			Reason: "who asks does not approve",
			Sets: []vitrine.RoleSet{
				{Name: "asks", Permissions: []vitrine.Permission{vitrine.ModelRequest}},
				{Name: "approves", Permissions: []vitrine.Permission{vitrine.ChangeApprove}},
			},
		},
	}
	if solo {
		return all
	}
	return append(all, &vitrine.Constraint{
		ID: "administrators-do-not-look", Kind: vitrine.StaticSoD, Scope: org, Max: 2,
		Reason: "nobody both administers access and opens images",
		Sets: []vitrine.RoleSet{
			{Name: "administers access", Permissions: slices.Clone(administration)},
			{Name: "opens images", Permissions: []vitrine.Permission{vitrine.ImageOpen}},
		},
	})
}

// owners is how many owners there are. Admit holds it even where the constraint
// was changed or taken away.
func owners(org vitrine.ID, solo bool) *vitrine.Constraint {
	c := &vitrine.Constraint{
		ID: "owners", Kind: vitrine.Holders, Role: OwnerRole, Scope: org, Min: 2, Max: 3,
		Reason: "one owner alone could lock everybody out; many cannot be watched",
	}
	if solo {
		c.Min = 1
	}
	return c
}
