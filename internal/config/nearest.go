package config

import "strings"

// nearest gives the candidate that a mistyped name most likely means: the one
// with the fewest edits, where a name that differs in its section only counts
// as one edit away.
func nearest(name string, candidates []string) string {
	best, least := "", -1
	for _, c := range candidates {
		d := edits(strings.ToLower(name), strings.ToLower(c))
		if last(name) == last(c) {
			d = min(d, 1)
		}
		if least < 0 || d < least {
			best, least = c, d
		}
	}
	return best
}

// last gives the part of a dotted name after the last dot.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// edits is the number of bytes to insert, remove, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func edits(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
