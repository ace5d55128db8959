// Package motion finds things that move in the pictures of a camera: people,
// vehicles, animals. It stays silent for rain, wind in trees, light, noise and
// compression, without anyone turning knobs.
//
// A [Detector] is a pure function of the pictures and times it was shown: no
// clock, no input or output, no goroutine, the same result for the same
// pictures. It is for one goroutine at a time. Its packages below run it:
// motion/decode makes the pictures, motion/watch shows them to it.
//
// # Stages
//
// Reduction. Pictures are averaged to a grid of at most 160 points a row. Averages keep
// two bits below the grey level: noise falls, and what little there is to see in
// the dark stays. Points are counted in tiles of four by four.
//
// Time. Five pictures a second are looked at, and up to ten while something is in
// doubt. A picture is compared with one that is 0.15 s older or
// more, so that what is measured does not depend on how often they come.
//
// Noise. The standard deviation of a point follows from the median difference to
// the picture before, which holds while less than half of the picture moves. A
// picture in which nothing differs from the one before is a repetition and says
// nothing about motion.
//
// Background. Each point has a running mean and mean absolute deviation: the
// single Gaussian of Wren et al. (Pfinder, 1997) with the deviation of
// sigma-delta estimation (Manzanera 2007). A leaf in the wind gets a large
// deviation and is no change any more. A confirmed thing teaches nothing, so it
// does not sink into the background while it stands (selective update); all
// else does, within seconds. The first picture is a background at once, with
// the local slope as first guess of the deviation.
//
// Light. Around each changed tile the picture is fitted by gain and offset of the
// background. What the fit leaves over is structure; without structure it was a
// lamp, a cloud, the exposure, a headlight, and becomes background (normalised
// correlation for shadows: Jacques et al. 2005). Where most tiles change in
// structure at once, as with infra-red light, the background begins anew.
//
// Blobs and tracks. Changed tiles that touch are a blob; blobs become tracks by
// nearness, size and expected place, best fit first.
//
// Shift. The changed points of a blob are looked for in the picture before, as in
// block matching for coding. Only what is found clearly better elsewhere has
// moved. Chance links between drops or leaves seldom pass.
//
// Travel. Shifts add up while their direction holds, and going back gives up what
// was won (Wixson, Detecting salient motion by accumulating
// directionally-consistent flow, 2000). Branches sway and come back; a person goes farther
// than a part of her own length. Shifts that do not continue the ones before
// count less: bodies have mass, insects turn.
//
// Growth. Who comes straight at the camera hardly travels: she grows, steadily and
// not too fast (looming: Lee, A theory of visual control of braking, 1976). A bush in
// a rising wind grows too, but what it shows is found in the background nearby
// (Elgammal, Harwood and Davis, Non-parametric model for background subtraction,
// 2000). What comes near does not make its own place restless.
//
// Calm. Each tile knows how often it changed without a thing in it (blinking
// pixels: ViBe, Barnich and Van Droogenbroeck 2011). Motion in a place that is
// always calm is evidence by itself, in a restless one more travel is needed.
//
// Dust. Blobs that are seen once and never again are counted and weighed. What is
// not larger than the largest of so many grains ought to be is a grain too: rain,
// snow, insects, glitter.
//
// Evidence of travel, growth and presence adds up and fades; at one a track is a thing. A large
// person crossing a calm place is one in the second picture, weak evidence takes
// longer. The event starts with the first picture of the track that spoke for it, lives
// on while a thing stands there, and ends some seconds after nothing moves. What
// stands where the background had much more detail is the empty place that a
// thing left, and is learnt. Only what came from elsewhere can stand: what changed
// where it is, as a lamp or a door, and the little that an encoder leaves behind
// where somebody went out of the picture, hold no event.
package motion
