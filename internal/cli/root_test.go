package cli

import (
	"bytes"
	"os"
	"testing"
)

func TestEachCommandIsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Root().Commands() {
		if name := c.Name(); name != "version" && !c.Hidden && !bytes.Contains(readme, []byte("`syslane "+name)) {
			t.Errorf("the commands of README.md are without syslane %s", name)
		}
	}
}
