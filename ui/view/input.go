package view

import "strconv"

func (in Input) kind() string {
	if in.Kind == "" {
		return "text"
	}
	return in.Kind
}

func (in Input) complete() string {
	if in.Complete == "" {
		return "off"
	}
	return in.Complete
}

func (in Input) max() string {
	if in.Max == 0 {
		return "256"
	}
	return strconv.Itoa(in.Max)
}
