package gateway_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"muster/internal/gateway"
)

// TestDocument holds the table of close codes in docs/protocol.md to the code.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| 4") {
			rows++
		}
	}
	all := gateway.Endings()
	for _, e := range all {
		if row := fmt.Sprintf("| %d | %s | ", e.Code, e.Reason); !strings.Contains(string(text), row) {
			t.Errorf("the table lacks %q", row)
		}
	}
	if rows != len(all) {
		t.Errorf("the table has %d rows, the code %d", rows, len(all))
	}
}
