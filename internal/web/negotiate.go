package web

import (
	"strconv"
	"strings"
)

// choose returns the form that an Accept-Encoding asks for (RFC 9110, section
// 12.5.3): the one with the highest weight, of several with the same the first.
// The last form is the file as it is, which everybody gets who takes no other.
func choose(forms []form, accept []string) form {
	weights := map[string]float64{}
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		coding, parameters, _ := strings.Cut(item, ";")
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" {
			weights[coding] = weight(parameters)
		}
	}
	plain := forms[len(forms)-1]
	best, most := plain, 0.0
	for _, f := range forms[:len(forms)-1] {
		w, named := weights[f.coding]
		if !named {
			w = weights["*"]
		}
		if w > most {
			best, most = f, w
		}
	}
	if w, named := weights["identity"]; named && w > most {
		return plain
	}
	return best
}

// weight reads the q of a coding; what cannot be read counts as not wanted.
func weight(parameters string) float64 {
	name, value, ok := strings.Cut(strings.TrimSpace(parameters), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	w, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || w < 0 || w > 1 {
		return 0
	}
	return w
}

// has reports whether an If-None-Match names the tag, weakly compared (RFC 9110,
// section 13.1.2).
func has(list []string, tag string) bool {
	for item := range strings.SplitSeq(strings.Join(list, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}
