package studio

import (
	"hash/fnv"
	"strings"
	"unicode"
)

// scene is what was read of a prompt.
type scene struct {
	dice
	seed  uint64
	kind  string
	words map[string]int // position of each word
	pal   palette
	hour  string
	tints []rgb // colours named, in order
	grey  bool
	grain float32
}

// palette is the colours of an hour.
type palette struct {
	sky       []rgb // from above down to the horizon
	sun       rgb
	haze      rgb // what distance fades into
	far, near rgb // land
	light     rgb // on what faces the sun
	accent    rgb
	dark      bool
}

var palettes = map[string]palette{
	"dawn": {sky: hexes(0x46568c, 0x8f7bab, 0xe5a19a, 0xf9cfa0, 0xfde6bf), sun: hex(0xfff0cf), haze: hex(0xeab9a4),
		far: hex(0xa98fae), near: hex(0x2b2c4b), light: hex(0xffc9a0), accent: hex(0xd86a5c)},
	"day": {sky: hexes(0x2e6fae, 0x6aa6d3, 0xa8d2e4, 0xdcecea, 0xf6f1dd), sun: hex(0xfffbe8), haze: hex(0xcfe3e6),
		far: hex(0x8fb3c0), near: hex(0x1f4a43), light: hex(0xfff3cf), accent: hex(0xe4783c)},
	"golden": {sky: hexes(0x3f5f86, 0x8d8fa3, 0xdfae86, 0xf6c46c, 0xfde0a0), sun: hex(0xfff4c9), haze: hex(0xf0c48c),
		far: hex(0xb08a7a), near: hex(0x3a2a2f), light: hex(0xffd98a), accent: hex(0xc2502f)},
	"sunset": {sky: hexes(0x241f52, 0x5b2f74, 0xb8436a, 0xee6f4c, 0xffb35c, 0xffd98c), sun: hex(0xffedb0), haze: hex(0xf08a5d),
		far: hex(0x8c4a72), near: hex(0x1c1430), light: hex(0xffb070), accent: hex(0xffcf6b)},
	"dusk": {sky: hexes(0x0d1436, 0x232c66, 0x514a86, 0xa06c94, 0xe09a8e), sun: hex(0xffd9c0), haze: hex(0x8a6a94),
		far: hex(0x50508c), near: hex(0x0d1028), light: hex(0xe0a0a0), accent: hex(0xf2b65e), dark: true},
	"night": {sky: hexes(0x040816, 0x0a1430, 0x14244c, 0x22406c, 0x3c6488), sun: hex(0xf4f0dc), haze: hex(0x2c4c74),
		far: hex(0x23406a), near: hex(0x04070f), light: hex(0xa8c4e4), accent: hex(0xf6c667), dark: true},
	"overcast": {sky: hexes(0x6f7f8c, 0x93a1a9, 0xb6c0c2, 0xd3d6d0, 0xe4e2d8), sun: hex(0xf4f2e8), haze: hex(0xcfd3ce),
		far: hex(0x93a3a8), near: hex(0x25323a), light: hex(0xe6e8e0), accent: hex(0xb5523f)},
	"neon": {sky: hexes(0x0a0620, 0x25104e, 0x5c1478, 0xb3207f, 0xff5f8a), sun: hex(0xffd0e8), haze: hex(0x7a2a8e),
		far: hex(0x4a2180), near: hex(0x0a0518), light: hex(0x4de3ff), accent: hex(0x32e6e2), dark: true},
	"pastel": {sky: hexes(0xa9c3e8, 0xc7c9ee, 0xe9cfe4, 0xfadccf, 0xfff0d9), sun: hex(0xfffaf0), haze: hex(0xf1dce0),
		far: hex(0xc3b8dc), near: hex(0x6b6f9c), light: hex(0xfff0e0), accent: hex(0xf09a8c)},
}

func hexes(v ...uint32) []rgb {
	out := make([]rgb, len(v))
	for i := range v {
		out[i] = hex(v[i])
	}
	return out
}

// hours by the words that name them; order breaks ties.
var hours = []struct{ hour, words string }{
	{"neon", "neon cyberpunk synthwave vaporwave retrowave futuristic cyber"},
	{"night", "night midnight moon moonlit moonlight starry stars star aurora northern dark nocturne firefly fireflies halloween"},
	{"sunset", "sunset sundown fiery evening burning"},
	{"golden", "golden autumn fall harvest amber warm october sepia vintage"},
	{"dawn", "dawn sunrise morning early misty"},
	{"dusk", "dusk twilight blue-hour gloaming"},
	{"overcast", "overcast cloudy gloomy moody melancholy"},
	{"pastel", "pastel soft dreamy gentle cute kawaii"},
	{"day", "day noon sunny summer midday bright daylight spring clear blue"},
}

// kinds of scene by the words that call for them.
var kinds = []struct{ kind, words string }{
	{"portrait", "portrait face woman man girl boy person lady gentleman headshot selfie people child astronaut king queen model dancer actor grandmother grandfather human figure"},
	{"animal", "cat kitten dog puppy fox wolf tabby dachshund pet tiger bear"},
	{"city", "city skyline skyscraper street town tokyo york building urban downtown metropolis neon cyberpunk tower london paris berlin architecture office rotunda"},
	{"flowers", "flower bouquet rose tulip sunflower blossom orchid poppy lily bloom peony daisy petal floral lotus botanical"},
	{"space", "space galaxy nebula planet cosmos star universe saturn mars comet orbit cosmic astronomy"},
	{"sea", "sea ocean beach coast shore wave harbour harbor island boat ship sail lighthouse surf bay port pier lagoon tropical marine regatta"},
	{"desert", "desert dune sahara sand cactus canyon oasis camel mesa"},
	{"forest", "forest wood tree jungle pine grove woodland bamboo fern redwood woods"},
	{"meadow", "meadow field grass prairie pasture countryside farm lavender wheat hill cottage house village garden vineyard barn windmill balloon"},
	{"mountains", "mountain alp peak summit lake valley landscape glacier volcano fjord cliff cabin hike everest fuji nature scenery river waterfall snow rock"},
	{"still", "still-life fruit apple pear vase table bowl coffee cup espresso tea mug lemon orange breakfast food kitchen bottle product perfume ceramic wine pancake candle lamp"},
	{"shapes", "geometric bauhaus shape minimal poster circle square triangle mosaic pattern logo icon flat modernist grid diagram chart"},
	{"ink", "ink marble marbled fluid smoke liquid swirl paint watercolor watercolour acrylic cloud agate oil"},
	{"flow", "abstract flow line ribbon generative stream motion silk thread texture wallpaper background energy music data network"},
}

var colours = map[string]uint32{
	"red": 0xc8322b, "crimson": 0xa81e32, "scarlet": 0xd5331f, "orange": 0xea7a24, "amber": 0xf0a020, "yellow": 0xf2c230, "gold": 0xd9a633, "golden": 0xe0ac3c,
	"green": 0x3f8f4f, "emerald": 0x12805c, "mint": 0x86cfae, "olive": 0x7c7f35, "teal": 0x1a8a8a, "turquoise": 0x30b5b0, "cyan": 0x2bb8d6,
	"blue": 0x2f63b8, "navy": 0x1c2f62, "indigo": 0x3f3a8e, "purple": 0x7640a0, "violet": 0x7d4fc0, "lavender": 0xa48fd6, "magenta": 0xc0308c,
	"pink": 0xea7ba6, "rose": 0xd9607e, "coral": 0xf0755a, "peach": 0xf5b48c, "brown": 0x80543a, "copper": 0xb5673c, "white": 0xf2efe8, "cream": 0xf2e4c6,
	"black": 0x1a1a1e, "grey": 0x808488, "gray": 0x808488, "silver": 0xb8bcc2, "ginger": 0xd9822f,
}

// read finds in a prompt what the rules know; the rest of it decides, with the
// seed, all that is left to chance.
func read(prompt string, seed uint64) *scene {
	h := fnv.New64a()
	h.Write([]byte(prompt))
	sc := &scene{seed: scramble(h.Sum64() ^ seed*0x9e3779b97f4a7c15), words: map[string]int{}, grain: 1}
	sc.dice = dice(sc.seed)
	for i, w := range strings.FieldsFunc(strings.ToLower(prompt), func(r rune) bool { return !unicode.IsLetter(r) && r != '-' }) {
		for _, form := range []string{w, strings.TrimSuffix(w, "s"), strings.TrimSuffix(w, "es"), strings.TrimSuffix(w, "ies") + "y"} {
			if _, ok := sc.words[form]; !ok {
				sc.words[form] = i
			}
		}
	}
	for _, pair := range [][2]string{{"still", "life"}, {"blue", "hour"}, {"black", "white"}} {
		if sc.has(pair[0]) && sc.has(pair[1]) {
			sc.words[pair[0]+"-"+pair[1]] = sc.words[pair[0]]
		}
	}
	sc.grey = sc.any("monochrome", "black-white", "noir", "b-w", "charcoal", "engraving", "grayscale", "greyscale")
	sc.readColours()
	sc.kind = sc.readKind()
	sc.hour = sc.readHour()
	sc.pal = sc.mixed(palettes[sc.hour])
	return sc
}

func (sc *scene) has(w string) bool { _, ok := sc.words[w]; return ok }

func (sc *scene) any(words ...string) bool {
	for _, w := range words {
		if sc.has(w) {
			return true
		}
	}
	return false
}

// score counts the words of a list that the prompt has; early ones count more.
func (sc *scene) score(list string) float32 {
	var sum float32
	for _, w := range strings.Fields(list) {
		if at, ok := sc.words[w]; ok {
			sum += 1 + 1/float32(at+2)
		}
	}
	return sum
}

func (sc *scene) readKind() string {
	best, kind := float32(0), ""
	for _, k := range kinds {
		if s := sc.score(k.words); s > best {
			best, kind = s, k.kind
		}
	}
	switch {
	case kind != "":
		return kind
	case sc.score(outdoors) > 0: // whatever it is, it is out there
		return []string{"forest", "mountains", "sea", "meadow"}[sc.n(4)]
	}
	return []string{"flow", "ink", "shapes"}[sc.n(3)] // something without a subject
}

// outdoors are words that place an unknown subject under the sky.
const outdoors = "sky moon moonlit moonlight night midnight starry sunset sundown sunrise dawn dusk twilight sun sunny aurora rain rainy storm stormy fog foggy mist misty winter autumn"

func (sc *scene) readHour() string {
	best, hour := float32(0), ""
	if sc.any("aurora", "northern") {
		return "night"
	}
	for _, h := range hours {
		if s := sc.score(h.words); s > best {
			best, hour = s, h.hour
		}
	}
	if hour != "" {
		return hour
	}
	switch { // weather suggests an hour, but any hour named comes first
	case sc.any("rain", "rainy", "rainfall", "storm", "stormy"):
		return []string{"overcast", "dusk"}[sc.n(2)]
	case sc.any("fog", "foggy"):
		return []string{"overcast", "dawn"}[sc.n(2)]
	case sc.any("snow", "snowy", "snowfall", "winter"):
		return []string{"day", "dawn", "dusk", "overcast"}[sc.n(4)]
	}
	usual := map[string][]string{
		"mountains": {"dawn", "golden", "dusk", "day"}, "sea": {"sunset", "day", "dawn"}, "forest": {"dawn", "day", "golden"}, "city": {"dusk", "night", "sunset"},
		"desert": {"golden", "sunset", "dawn"}, "still": {"day", "golden", "overcast", "dusk"}, "flowers": {"day", "pastel", "golden", "dusk", "overcast"},
		"meadow": {"day", "golden", "dawn"}, "space": {"night"},
	}[sc.kind]
	if usual == nil {
		usual = []string{"dawn", "day", "golden", "sunset", "dusk", "pastel", "overcast"}
	}
	return usual[sc.n(len(usual))]
}

// thing reports whether a colour's name is said of a fruit or a flower.
func (sc *scene) thing(name string) bool {
	switch name {
	case "orange":
		return sc.has("fruit")
	case "rose", "violet", "lavender":
		return sc.has(name + "s")
	}
	return false
}

func (sc *scene) readColours() {
	at := map[int]rgb{}
	last := 0
	for name, v := range colours {
		if i, ok := sc.words[name]; ok && !sc.thing(name) && !(sc.grey && (name == "black" || name == "white")) {
			at[i] = hex(v)
			last = max(last, i)
		}
	}
	for i := 0; i <= last; i++ {
		if c, ok := at[i]; ok {
			sc.tints = append(sc.tints, c)
		}
	}
}

// mixed turns a palette towards the colours named and, a little, by chance.
func (sc *scene) mixed(p palette) palette {
	sky := append([]rgb(nil), p.sky...)
	// Where there is one thing to look at, the colour is that thing's.
	share := 1.0
	switch sc.kind {
	case "still", "portrait", "animal", "flowers":
		share = 0.2
	}
	turn := func(c rgb, amount float64) rgb {
		amount *= share
		if len(sc.tints) > 0 {
			return tinted(c, sc.tints[0], amount)
		}
		return c
	}
	for i := range sky {
		sky[i] = turn(sky[i], 0.35)
		l := sky[i].lab()
		l[0] += float64(sc.bell()) * 0.012
		l[1] += float64(sc.bell()) * 0.012
		l[2] += float64(sc.bell()) * 0.012
		sky[i] = l.rgb()
	}
	p.sky = sky
	p.haze, p.far, p.near = turn(p.haze, 0.35), turn(p.far, 0.4), turn(p.near, 0.4)
	if len(sc.tints) > 0 {
		p.accent = sc.tints[len(sc.tints)-1]
	}
	return p
}

// tint is the i-th colour named, or another.
func (sc *scene) tint(i int, otherwise rgb) rgb {
	if i < len(sc.tints) {
		return sc.tints[i]
	}
	return otherwise
}

// from picks one of some colours.
func (sc *scene) from(cols []rgb) rgb { return cols[sc.n(len(cols))] }
