package demo

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// roles says in a few words what to expect of whose key.
var roles = map[vitrine.ID]string{
	"ann": "draws with three models", "bob": "opens originals", "carol": "sees masks", "dana": "keeps the papers",
	"eve": "knows nothing of it", "ian": "has spent his trial", "sam": "reads the log",
}

// invite writes the keys to a file and shows what to try.
func (s *stage) invite(command string) error {
	var env strings.Builder
	fmt.Fprintf(&env, "export VITRINE_SERVER=%s\n", s.url)
	for _, who := range slices.Sorted(maps.Keys(s.keys)) {
		fmt.Fprintf(&env, "export %s=%s\n", strings.ToUpper(string(who)), s.keys[who])
	}
	if err := os.WriteFile(s.path("keys.env"), []byte(env.String()), 0o600); err != nil {
		return err
	}
	s.scene(len(story)+1, "Now you")
	s.say("The server goes on at %s until you press Ctrl-C. In another terminal:", s.url)
	s.blank()
	s.verbatim(". " + s.path("keys.env"))
	for _, who := range slices.Sorted(maps.Keys(s.keys)) {
		s.verbatim(s.paint(dim, fmt.Sprintf("# $%-6s %s", strings.ToUpper(string(who)), roles[who])))
	}
	s.blank()
	for _, try := range s.tries(command) {
		s.verbatim(s.paint(dim, "# "+try.what))
		s.verbatim(try.lines...)
		s.blank()
	}
	return nil
}

type try struct {
	what  string
	lines []string
}

// tries are the lines to copy. They are short, because a broken line cannot be
// pasted.
func (s *stage) tries(command string) []try {
	image := "$VITRINE_SERVER/api/v1/images/" + string(s.image)
	return []try{
		{"your own OpenAI code draws here, as it is, after", []string{
			`export OPENAI_BASE_URL=$VITRINE_SERVER/v1 OPENAI_API_KEY=$ANN`,
		}},
		{"or without any", []string{
			`curl -s $VITRINE_SERVER/v1/images/generations \`,
			`  -H "Authorization: Bearer $ANN" -H 'Content-Type: application/json' \`,
			`  -d '{"model":"hidream","prompt":"a fox in snow","size":"512x512"}' \`,
			`  | head -c 300`,
		}},
		{"the same image for bob, carol and eve", []string{
			`for who in $BOB $CAROL $EVE; do`,
			`  curl -s -o /dev/null -w '%{http_code} %{size_download}\n' \`,
			`    -H "Authorization: Bearer $who" \`,
			`    ` + image + `/content`,
			`done`,
		}},
		{"who may open it, and the matrix of roles", []string{
			`VITRINE_KEY=$SAM ` + command + ` who image.open image/` + string(s.image),
			`VITRINE_KEY=$SAM ` + command + ` matrix --sees`,
		}},
		{"the log as it grows", []string{`VITRINE_KEY=$SAM ` + command + ` audit tail --follow`}},
	}
}
