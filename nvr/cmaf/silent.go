package cmaf

import "lares/nvr"

// SilentInit returns an init segment that Init wrote without its sound.
func SilentInit(init []byte) ([]byte, error) {
	p, err := ReadInit(init)
	if err != nil {
		return nil, err
	}
	p.Audio, p.AudioConfig, p.SampleRate, p.Channels = nvr.NoCodec, nil, 0, 0
	return Init(p)
}

// AppendSilent appends a fragment that AppendFragment wrote without its sound,
// and nothing of one that has no pictures. key is as for ReadFragment. The
// pictures are copied one by one into a fragment of their own, so that what is
// not a picture has no way into it.
func AppendSilent(dst, fragment []byte, key bool) ([]byte, error) {
	tracks, err := ReadFragment(fragment, key)
	if err != nil {
		return dst, err
	}
	for _, t := range tracks {
		if t.ID == nvr.VideoTrack && len(t.Samples) > 0 {
			dst = AppendFragment(dst, sequence(fragment), t)
		}
	}
	return dst, nil
}
