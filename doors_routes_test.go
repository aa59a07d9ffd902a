package vitrine_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// httpRows are the ways to ask every route: each once, and more often where
// the answer hangs on what is asked for.
func httpRows() []httpRow {
	return slices.Concat(modelRows(), imageRows(), holdRows(), peopleRows(), sessionRows(), policyRows(), moneyRows(), logRows(), publicRows())
}

// here chooses where images are made.
var here = map[string]string{"OpenAI-Project": "renders", "X-Vitrine-Dataset": "drafts"}

func body(text string) func(*cell) asked { return func(*cell) asked { return asked{body: text} } }

// modelRows are the doors for clients of OpenAI and NanoGPT.
func modelRows() []httpRow {
	draw := func(more string) func(*cell) asked {
		return func(*cell) asked {
			return asked{header: here, about: "hidream", body: `{"model":"hidream","prompt":"a cat","size":"64x64"` + more + `}`}
		}
	}
	data := `,"image":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(picture) + `"`
	of := func(image string) func(*cell) asked {
		return func(c *cell) asked {
			a := draw(`,"image":"vitrine:` + string(c.shared[image]) + `"`)(c)
			a.about = string(c.shared[image])
			return a
		}
	}
	model := func(name string) func(*cell) asked {
		return func(*cell) asked { return asked{ids: []string{name}, header: here} }
	}
	listed := func(*cell) asked { return asked{header: here} }
	return []httpRow{
		{route: "POST /v1/images/generations", ask: draw("")},
		{route: "POST /v1/images/generations", also: "as url", ask: draw(`,"response_format":"url"`)},
		{route: "POST /v1/images/generations", also: "as a stream", ask: draw(`,"stream":true`)},
		{route: "POST /v1/images/generations", also: "model absent", ask: func(c *cell) asked {
			return asked{header: here, body: `{"model":"nothing","prompt":"a cat"}`}
		}},
		{route: "POST /v1/images/generations", also: "without a place", ask: body(`{"model":"hidream","prompt":"a cat","size":"64x64"}`)},
		{route: "POST /v1/images/edits", ask: draw(data)},
		{route: "POST /v1/images/edits", also: "of an internal image", ask: of("image")},
		{route: "POST /v1/images/edits", also: "of a restricted image", ask: of("restricted")},
		{route: "POST /v1/images/edits", also: "of an image in other", ask: of("elsewhere")},
		{route: "POST /v1/images/variations", ask: draw("")},
		{route: "GET /v1/models", ask: listed, tell: some("data")},
		{route: "GET /v1/models/{id...}", ask: model("hidream")},
		{route: "GET /v1/models/{id...}", also: "absent", ask: model("nothing")},
		{route: "POST /api/v1/images/generations", ask: draw("")},
		{route: "POST /api/v1/images/edits", ask: draw(data)},
		{route: "POST /api/v1/images/edit", ask: draw(data)},
		{route: "GET /api/v1/image-models", ask: listed, tell: some("data")},
		{route: "GET /api/v1/models", ask: listed, tell: some("models")},
		{route: "GET /api/v1/models/{id...}", ask: model("hidream")},
		{route: "POST /api/check-balance"},
	}
}

func imageRows() []httpRow {
	upload := func(dataset, query string) func(*cell) asked {
		return func(*cell) asked {
			return asked{query: "dataset=" + dataset + query, body: string(picture), kind: "image/png", about: dataset}
		}
	}
	one := func(body string) func(*cell) asked {
		return func(c *cell) asked { return byID(c.image(), body) }
	}
	look := func(image, query string) func(*cell) asked {
		return func(c *cell) asked { return asked{ids: []string{string(c.shared[image])}, query: query} }
	}
	const content, links = "GET /api/v1/images/{id}/content", "/api/v1/images/{id}/links"
	return []httpRow{
		{route: "POST /api/v1/images", ask: upload("drafts", "")},
		{route: "POST /api/v1/images", also: "public into internal", ask: upload("drafts", "&tier=public")},
		{route: "POST /api/v1/images", also: "training data", ask: upload("scans", "")},
		{route: "POST /api/v1/images", also: "into other", ask: upload("elsewhere", "")},
		{route: "GET /api/v1/images", ask: func(*cell) asked { return asked{query: "dataset=quiet"} }, tell: some("images")},
		{route: "GET /api/v1/images", also: "restricted", ask: func(*cell) asked { return asked{query: "dataset=quiet&tier=restricted"} }, tell: some("images")},
		{route: "GET /api/v1/images", also: "of other", ask: func(*cell) asked { return asked{query: "project=other"} }, tell: some("images")},
		{route: "GET /api/v1/images/{id}", ask: look("image", ""), tell: tells("sees")},
		{route: content, ask: look("image", "")},
		{route: content, also: "named original", ask: look("image", "rendition=original")},
		{route: content, also: "named masked", ask: look("image", "rendition=masked")},
		{route: content, also: "named thumbnail", ask: look("image", "rendition=thumbnail")},
		{route: content, also: "restricted", ask: look("restricted", "")},
		{route: content, also: "public", ask: look("public", "")},
		{route: content, also: "in other", ask: look("elsewhere", "")},
		{route: content, also: "deleted", ask: func(c *cell) asked { return byID(c.deleted(), "") }},
		{route: "PATCH /api/v1/images/{id}", ask: one(`{"name":"new.png"}`)},
		{route: "PUT /api/v1/images/{id}/tier", also: "raised", ask: one(`{"tier":"confidential"}`)},
		{route: "PUT /api/v1/images/{id}/tier", also: "lowered", ask: one(`{"tier":"public","reason":"for the web site"}`)},
		{route: "DELETE /api/v1/images/{id}", ask: one("")},
		{route: "DELETE /api/v1/images/{id}", also: "public", ask: func(c *cell) asked { return byID(c.public("drafts"), "") }},
		{route: "DELETE /api/v1/images/{id}", also: "at once", ask: func(c *cell) asked {
			return asked{ids: []string{string(c.image())}, query: "now=true&reason=erasure"}
		}},
		{route: "POST /api/v1/images/{id}/restore", ask: func(c *cell) asked { return byID(c.deleted(), "") }},
		{route: "POST " + links, ask: one(`{"ttl":"5m"}`)},
		{route: "GET " + links, ask: look("image", ""), tell: some("links")},
		{route: "DELETE " + links + "/{link}", ask: func(c *cell) asked {
			image := c.image()
			return asked{ids: []string{string(image), string(c.link(image))}}
		}},
		{route: "GET /l/{token}", ask: func(c *cell) asked { return asked{ids: []string{c.token}} }},
	}
}

func holdRows() []httpRow {
	place := func(kind string, id func(c *cell) vitrine.ID) func(*cell) asked {
		return func(c *cell) asked {
			id := string(id(c))
			return asked{body: fmt.Sprintf(`{"on":{"kind":%q,"id":%q},"reason":"case 3"}`, kind, id), about: id}
		}
	}
	return []httpRow{
		{route: "GET /api/v1/holds", tell: some("holds")},
		{route: "POST /api/v1/holds", also: "on an image", ask: place("image", (*cell).image)},
		{route: "POST /api/v1/holds", also: "on a dataset", ask: place("dataset", func(c *cell) vitrine.ID { return c.object(newDataset) })},
		{route: "POST /api/v1/holds/{id}/lift", ask: func(c *cell) asked { return byID(c.hold(), `{"reason":"closed"}`) }},
	}
}

func peopleRows() []httpRow {
	who := func(make func(vitrine.ID) vitrine.Object, body string) func(*cell) asked {
		return func(c *cell) asked { return byID(c.object(make), body) }
	}
	key := func(of vitrine.ID, body string) func(*cell) asked {
		return func(c *cell) asked { return byID(c.keyOf(of), body) }
	}
	member := func(c *cell) asked { return asked{ids: []string{string(c.object(newGroup)), "mark"}} }
	return []httpRow{
		{route: "GET /api/v1/whoami"},
		{route: "POST /api/v1/principals", ask: func(c *cell) asked {
			return asked{body: fmt.Sprintf(`{"kind":"user","email":"%s@example.com"}`, c.fresh("p"))}
		}},
		{route: "PUT /api/v1/principals/{id}", ask: who(newGroup, `{"kind":"group","name":"Others"}`)},
		{route: "DELETE /api/v1/principals/{id}", ask: who(newPerson, "")},
		{route: "POST /api/v1/principals/{id}/disable", ask: who(newPerson, "")},
		{route: "POST /api/v1/principals/{id}/enable", ask: who(newPerson, "")},
		{route: "PUT /api/v1/groups/{id}/members/{member}", ask: member},
		{route: "DELETE /api/v1/groups/{id}/members/{member}", ask: member},
		{route: "GET /api/v1/keys", tell: whose},
		{route: "GET /api/v1/keys", also: "of everybody", ask: func(*cell) asked { return asked{query: "principal=*"} }, tell: whose},
		{route: "POST /api/v1/keys", also: "its own", ask: func(c *cell) asked { return asked{body: `{"name":"mine"}`} }},
		{route: "POST /api/v1/keys", also: "another's", ask: func(*cell) asked { return asked{body: `{"principal":"mark"}`, about: "mark"} }},
		{route: "POST /api/v1/keys/{id}/rotate", also: "its own", ask: key("", `{}`)},
		{route: "POST /api/v1/keys/{id}/rotate", also: "another's", ask: key("mark", `{}`)},
		{route: "DELETE /api/v1/keys/{id}", also: "its own", ask: key("", "")},
		{route: "DELETE /api/v1/keys/{id}", also: "another's", ask: key("mark", "")},
	}
}

// whose tells whether a list of keys goes beyond one's own.
func whose(c *cell, body []byte) string {
	var all struct {
		Keys []struct{ Principal vitrine.ID }
	}
	if err := json.Unmarshal(body, &all); err != nil {
		c.t.Errorf("%v: %s", err, body)
	}
	said := "none"
	for _, k := range all.Keys {
		if k.Principal != c.who.by.Principal {
			return "all"
		}
		said = "own"
	}
	return said
}

func sessionRows() []httpRow {
	const roles = "/api/v1/sessions/{id}/roles/{role}"
	own := func(active bool) func(*cell) asked {
		return func(c *cell) asked {
			var with []vitrine.ID
			if active {
				with = []vitrine.ID{c.who.role}
			}
			return asked{ids: []string{string(c.sessionOf(c.who.by, with...)), string(c.who.role)}}
		}
	}
	theirs := func(c *cell) asked {
		return asked{ids: []string{string(c.sessionOf(c.keeper)), "data-steward"}}
	}
	return []httpRow{
		{route: "POST /api/v1/sessions", ask: body(`{"all":true}`)},
		{route: "PUT " + roles, also: "its own", ask: own(false)},
		{route: "PUT " + roles, also: "another's", ask: theirs},
		{route: "DELETE " + roles, also: "its own", ask: own(true)},
		{route: "DELETE " + roles, also: "another's", ask: theirs},
	}
}

func policyRows() []httpRow {
	const object = "/api/v1/objects/{kind}/{id...}"
	ref := func(kind string, make func(vitrine.ID) vitrine.Object) func(*cell) asked {
		return func(c *cell) asked { return asked{ids: []string{kind, string(c.object(make))}} }
	}
	question := func(permission, more string) func(*cell) asked {
		return func(c *cell) asked {
			image := string(c.shared["image"])
			return asked{body: fmt.Sprintf(`{%s"permission":%q,"resource":{"kind":"image","id":%q}}`, more, permission, image), about: image}
		}
	}
	revision := func(c *cell) asked { return asked{body: fmt.Sprintf(`{"revision":%d}`, c.revision())} }
	dataset := `"project":"renders","category":"generated","birth_tier":"public"}`
	apply := func(kind, object string) func(*cell) asked {
		return func(c *cell) asked {
			id := string(c.fresh("put"))
			return asked{body: fmt.Sprintf(`{"changes":[{"kind":%q,"id":%q,"put":{"id":%q,%s}]}`, kind, id, id, object), about: "renders"}
		}
	}
	const applied = "POST /api/v1/policy/apply"
	return []httpRow{
		{route: "GET /api/v1/policy", tell: some("objects")},
		{route: "GET /api/v1/policy/history", tell: some("sets")},
		{route: "POST /api/v1/policy/plan", ask: body(`{"objects":[{"kind":"dataset","object":{"id":"planned",` + dataset + `}]}`), tell: some("changes")},
		{route: applied, also: "a dataset", ask: apply("dataset", dataset)},
		{route: applied, also: "a deployment's price", ask: func(c *cell) asked {
			return asked{body: `{"changes":[{"kind":"deployment","id":"renders/hidream","put":{"id":"renders/hidream","project":"renders","model":"hidream","provider":"studio","price":{"image":"0.01"},"edits":true}}]}`}
		}},
		{route: applied, also: "a role", ask: apply("role", `"name":"A role"}`)},
		{route: applied, also: "a binding of image user", ask: apply("binding", `"role":"ai-image-user","principal":"nobodies","scope":"renders"}`)},
		{route: applied, also: "a binding of owner", ask: func(c *cell) asked {
			return apply("binding", fmt.Sprintf(`"role":"owner","principal":%q,"scope":"org"}`, c.object(newPerson)))(c)
		}},
		{route: applied, also: "a binding to itself", ask: func(c *cell) asked {
			return apply("binding", fmt.Sprintf(`"role":"data-steward","principal":%q,"scope":"renders"}`, c.who.by.Principal))(c)
		}},
		{route: applied, also: "a deny", ask: apply("deny", `"permissions":["image.export"],"principals":["nobodies"],"scope":"renders"}`)},
		{route: applied, also: "a budget", ask: apply("budget", `"kind":"project","subject":"renders","window":"month","limit":"10"}`)},
		{route: "POST /api/v1/policy/undo", ask: revision},
		{route: "POST /api/v1/policy/undo/plan", ask: revision},
		{route: "GET /api/v1/matrix", tell: some("rows")},
		{route: "GET /api/v1/objects/{kind}", also: "role", ask: func(*cell) asked { return asked{ids: []string{"role"}} }, tell: some("objects")},
		{route: "GET /api/v1/objects/{kind}", also: "credential", ask: func(*cell) asked { return asked{ids: []string{"credential"}} }, tell: some("objects")},
		{route: "GET " + object, also: "dataset", ask: ref("dataset", newDataset)},
		{route: "GET " + object, also: "principal", ask: ref("principal", newPerson)},
		{route: "PUT " + object, also: "dataset", ask: func(c *cell) asked {
			a := ref("dataset", newDataset)(c)
			a.body = fmt.Sprintf(`{"id":%q,%s`, a.ids[1], dataset)
			return a
		}},
		{route: "DELETE " + object, also: "dataset", ask: ref("dataset", newDataset)},
		{route: "DELETE " + object, also: "principal", ask: ref("principal", newPerson)},
		{route: "POST /api/v1/check", ask: question("image.open", ""), tell: allowed},
		{route: "POST /api/v1/check", also: "about another", ask: question("image.open", `"subject":"maker",`), tell: allowed},
		{route: "POST /api/v1/explain", ask: question("image.export", ""), tell: allowed},
		{route: "POST /api/v1/explain", also: "about another", ask: question("image.export", `"subject":"maker",`), tell: allowed},
		{route: "POST /api/v1/who", ask: question("image.open", ""), tell: some("holders")},
	}
}

func moneyRows() []httpRow {
	provider := func(body string) func(*cell) asked {
		return func(c *cell) asked {
			id := c.object(newProvider)
			return byID(id, strings.ReplaceAll(body, "ID", string(id)))
		}
	}
	return []httpRow{
		{route: "GET /api/v1/balance", tell: some("balances")},
		{route: "GET /api/v1/balances", tell: some("balances")},
		{route: "POST /api/v1/budgets/{id}/pay-debt", ask: func(*cell) asked { return byID("all", `{}`) }},
		{route: "GET /api/v1/usage", ask: func(*cell) asked { return asked{query: "by=project"} }, tell: some("usage")},
		{route: "PUT /api/v1/providers/{id}", ask: provider(`{"provider":{"id":"ID","kind":"studio","name":"Drawn here"}}`)},
		{route: "POST /api/v1/providers/{id}/test", ask: provider("")},
		{route: "POST /api/v1/credentials/{id}/rotate", ask: func(c *cell) asked { return byID(c.credential(), `{"secret":"hunter3"}`) }},
	}
}

func logRows() []httpRow {
	query := func(q string) func(*cell) asked { return func(*cell) asked { return asked{query: q} } }
	tile := func(level, name string) func(*cell) asked {
		return func(*cell) asked { return asked{ids: []string{level, name}} }
	}
	return []httpRow{
		{route: "GET /api/v1/log", tell: some("entries")},
		{route: "GET /api/v1/log/follow", ask: func(*cell) asked { return asked{line: true} }},
		{route: "GET /api/v1/log/export", ask: query("to=3")},
		{route: "GET /api/v1/log/checkpoint"},
		{route: "GET /api/v1/log/proof", ask: query("entry=1")},
		{route: "GET /api/v1/log/proof/inclusion", ask: query("index=1")},
		{route: "GET /api/v1/log/proof/consistency", ask: func(c *cell) asked { return asked{query: fmt.Sprintf("from=%d", c.size)} }},
		{route: "GET /api/v1/tlog/checkpoint"},
		{route: "GET /api/v1/tlog/tile/{level}/{tile...}", also: "of hashes", ask: tile("0", "000.p/1")},
		{route: "GET /api/v1/tlog/tile/{level}/{tile...}", also: "of entries", ask: tile("entries", "000.p/1")},
		{route: "GET /api/v1/backup/status"},
		{route: "GET /api/v1/backup", alone: true},
	}
}

// publicRows are the routes that ask nobody who it is.
func publicRows() []httpRow {
	var all []httpRow
	for path := range strings.FieldsSeq("/api/v1/openapi.json /api/v1/openapi.yaml /healthz /readyz /metrics") {
		all = append(all, httpRow{route: "GET " + path})
	}
	return all
}
