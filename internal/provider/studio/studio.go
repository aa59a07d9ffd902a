// Package studio draws pictures by rule. It is no AI model: it reads a prompt
// for a scene, an hour, the weather and colours, and paints what it knows in
// the manner of a printed travel poster, so that a whole installation can be
// tried without an account anywhere. Every picture says so in its corner.
//
// The same prompt, seed and size give the same pixels on the same kind of
// machine (processors may round a multiply-and-add differently). Nothing here
// reads a clock, a file or the network.
//
// A picture is painted in one pass over a canvas of floats: sky, then layers
// from far to near, then light, then finish (vignette, grain and dither, so
// that gradients do not band). Each scene has its file.
package studio

import "image"

// Spec is a picture to draw.
type Spec struct {
	Prompt        string
	Seed          uint64
	Width, Height int
	// Source, when not nil, is a picture of the same size to work over; Mask,
	// if not nil, says where: where it is transparent, as with OpenAI.
	// Strength is 0 to 1.
	Source, Mask *image.RGBA
	Strength     float64
}

// Draw draws it.
func Draw(s Spec) *image.RGBA {
	sc := read(s.Prompt, s.Seed)
	c := newCanvas(s.Width, s.Height)
	scenes[sc.kind](c, sc)
	if s.Source != nil {
		c = rework(c, sc, s)
	}
	c.finish(sc)
	c.note()
	return c.image()
}

var scenes map[string]func(*canvas, *scene)

func init() {
	scenes = map[string]func(*canvas, *scene){
		"mountains": mountains, "sea": sea, "forest": forest, "city": city, "desert": desert, "meadow": meadow,
		"flowers": flowers, "portrait": portrait, "animal": animal, "space": space, "still": still,
		"flow": flow, "ink": ink, "shapes": shapes,
	}
}
