package report

import (
	"testing"

	"github.com/syslane/syslane/bench/cases"
)

func TestALossInOneRoundIsShown(t *testing.T) {
	row := &Row{}
	for _, lost := range []int{0, 7, 0} {
		row.Add(cases.Result{Messages: 100, Rate: float64(10 + lost), Lost: lost}, nil)
	}
	if got, ok := row.Median(); !ok || got.Lost != 7 || got.Rate != 10 {
		t.Errorf("the row shows %+v", got)
	}
}
