package gateway

// Ending is a row of the table of close codes.
type Ending struct {
	Code   uint16
	Reason string
}

// Endings is the table of close codes, for the test that compares it with the
// document.
func Endings() []Ending {
	var out []Ending
	for _, e := range endings {
		out = append(out, Ending{e.code, e.reason})
	}
	return out
}
