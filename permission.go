package vitrine

// Permission is a verb on a kind. All permissions stand in Catalogue.
type Permission string

// The permissions.
const (
	ImageView     Permission = "image.view"
	ImageOpen     Permission = "image.open"
	ImageExport   Permission = "image.export"
	ImageCreate   Permission = "image.create"
	ImageUpdate   Permission = "image.update"
	ImageMove     Permission = "image.move"
	ImageClassify Permission = "image.classify"
	ImageDelete   Permission = "image.delete"
	ImageHold     Permission = "image.hold"

	DatasetView Permission = "dataset.view"
	DatasetEdit Permission = "dataset.edit"

	ModelView     Permission = "model.view"
	ModelRequest  Permission = "model.request"
	ModelGenerate Permission = "model.generate"
	ModelEvaluate Permission = "model.evaluate"
	ModelDeploy   Permission = "model.deploy"

	ProviderView Permission = "provider.view"
	ProviderEdit Permission = "provider.edit"

	UsageView  Permission = "usage.view"
	BudgetView Permission = "budget.view"
	BudgetEdit Permission = "budget.edit"

	ProjectView    Permission = "project.view"
	ProjectEdit    Permission = "project.edit"
	PrincipalView  Permission = "principal.view"
	PrincipalEdit  Permission = "principal.edit"
	KeyView        Permission = "key.view"
	KeyIssue       Permission = "key.issue"
	KeyRevoke      Permission = "key.revoke"
	RoleView       Permission = "role.view"
	RoleEdit       Permission = "role.edit"
	RoleBind       Permission = "role.bind"
	DenyEdit       Permission = "deny.edit"
	ConstraintEdit Permission = "constraint.edit"
	AccessExplain  Permission = "access.explain"
	ChangeApprove  Permission = "change.approve"

	LogView    Permission = "log.view"
	LogExport  Permission = "log.export"
	SystemView Permission = "system.view"
	SystemEdit Permission = "system.edit"

	SystemBackup Permission = "system.backup"
)

// Risk is how much harm a permission can do in wrong hands.
type Risk string

// The risks.
const (
	LowRisk    Risk = "low"
	MediumRisk Risk = "medium"
	HighRisk   Risk = "high"
)

// PermissionInfo is what the catalogue says of a permission.
type PermissionInfo struct {
	Permission Permission
	Kind       Kind
	Text       string // what its holder may do, as a sentence without a subject
	Risk       Risk
	// Data: category and tier of the resource are compared with the grant.
	Data bool
	// People: only people may use it, whatever roles a service account has.
	People bool
	// Setup: it works before the owners have enrolled.
	Setup bool
	// Implies are the permissions that come with it.
	Implies []Permission
}

// Catalogue holds every permission, in the order in which pages show them.
var Catalogue = []PermissionInfo{
	{ImageView, KindImage, "see an image with its sensitive parts masked", LowRisk, true, false, false, nil},
	{ImageOpen, KindImage, "see the original of an image", HighRisk, true, false, false, []Permission{ImageView}},
	{ImageExport, KindImage, "take an image out: links and bulk downloads", HighRisk, true, false, false, []Permission{ImageOpen, ImageView}},
	{ImageCreate, KindImage, "add an image to a dataset", MediumRisk, true, false, false, nil},
	{ImageUpdate, KindImage, "change an image's name and labels", LowRisk, true, false, false, nil},
	{ImageMove, KindImage, "move an image to another dataset", MediumRisk, true, false, false, nil},
	{ImageClassify, KindImage, "change an image's tier", HighRisk, true, false, false, nil},
	{ImageDelete, KindImage, "delete an image, restore it in time, or destroy its key", HighRisk, true, false, false, nil},
	{ImageHold, KindImage, "put images under legal hold and lift it", HighRisk, true, true, false, nil},

	{DatasetView, KindDataset, "see that a dataset is there and what it is called", LowRisk, false, false, true, nil},
	{DatasetEdit, KindDataset, "create, change and delete datasets", MediumRisk, false, false, true, []Permission{DatasetView}},

	{ModelView, KindDeployment, "see which models are deployed", LowRisk, false, false, true, nil},
	{ModelRequest, KindDeployment, "ask for a capability of a model", LowRisk, false, false, false, nil},
	{ModelGenerate, KindDeployment, "make and edit images with a deployed model", MediumRisk, false, false, false, []Permission{ModelView}},
	{ModelEvaluate, KindDeployment, "run an evaluation of a deployed model", MediumRisk, false, false, false, []Permission{ModelView}},
	{ModelDeploy, KindDeployment, "create, change and delete deployments", MediumRisk, false, false, true, []Permission{ModelView}},

	{ProviderView, KindProvider, "see providers and their credentials' names", LowRisk, false, false, true, nil},
	{ProviderEdit, KindProvider, "add and change providers and their credentials", HighRisk, false, false, true, []Permission{ProviderView}},

	{UsageView, KindUsage, "see usage and spending", LowRisk, false, false, true, nil},
	{BudgetView, KindBudget, "see budgets and what is left of them", LowRisk, false, false, true, nil},
	{BudgetEdit, KindBudget, "set and change budgets", MediumRisk, false, false, true, []Permission{BudgetView}},

	{ProjectView, KindProject, "see that a project is there and what it is called", LowRisk, false, false, true, nil},
	{ProjectEdit, KindProject, "create, change and delete projects", MediumRisk, false, false, true, []Permission{ProjectView}},
	{PrincipalView, KindPrincipal, "see people, groups and service accounts", LowRisk, false, false, true, nil},
	{PrincipalEdit, KindPrincipal, "create, change, disable and delete people, groups and service accounts", HighRisk, false, true, true, []Permission{PrincipalView}},
	{KeyView, KindKey, "see keys, never their secrets", LowRisk, false, false, true, nil},
	{KeyIssue, KindKey, "issue and rotate keys", HighRisk, false, true, true, []Permission{KeyView}},
	{KeyRevoke, KindKey, "revoke keys", MediumRisk, false, false, true, []Permission{KeyView}},
	{RoleView, KindRole, "see roles, bindings, denies and constraints", LowRisk, false, false, true, nil},
	{RoleEdit, KindRole, "create, change and delete roles", HighRisk, false, true, true, []Permission{RoleView}},
	{RoleBind, KindBinding, "give roles to principals and take them away", HighRisk, false, true, true, []Permission{RoleView}},
	{DenyEdit, KindDeny, "create, change and delete deny rules", HighRisk, false, true, true, []Permission{RoleView}},
	{ConstraintEdit, KindConstraint, "create, change and delete constraints", HighRisk, false, true, true, []Permission{RoleView}},
	{AccessExplain, KindSystem, "ask why somebody else may or may not do something", MediumRisk, false, false, true, []Permission{RoleView, PrincipalView}},
	{ChangeApprove, KindSystem, "approve what another person proposed", HighRisk, false, true, false, []Permission{RoleView}},

	{LogView, KindLog, "read the log", MediumRisk, false, false, true, nil},
	{LogExport, KindLog, "export the log", MediumRisk, false, false, true, []Permission{LogView}},
	{SystemView, KindSystem, "see settings and health", LowRisk, false, false, true, nil},
	{SystemEdit, KindSystem, "change settings", HighRisk, false, true, true, []Permission{SystemView}},
	{SystemBackup, KindSystem, "take backups, which only the recovery recipient opens", MediumRisk, false, false, true, nil},
}

var catalogue = func() map[Permission]*PermissionInfo {
	m := make(map[Permission]*PermissionInfo, len(Catalogue))
	for i := range Catalogue {
		m[Catalogue[i].Permission] = &Catalogue[i]
	}
	return m
}()

// Info is what the catalogue says of p. ok is false for what stands not in it;
// such a permission is never granted.
func (p Permission) Info() (info PermissionInfo, ok bool) {
	if i, ok := catalogue[p]; ok {
		return *i, true
	}
	return PermissionInfo{}, false
}

// Implies reports whether holding p is holding q.
func (p Permission) Implies(q Permission) bool {
	if p == q {
		return true
	}
	i, ok := catalogue[p]
	if !ok {
		return false
	}
	for _, r := range i.Implies {
		if r == q {
			return true
		}
	}
	return false
}
