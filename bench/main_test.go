package main

import (
	"strings"
	"testing"

	"github.com/syslane/syslane/bench/cases"
	"github.com/syslane/syslane/bench/report"
)

func TestASmokeTestThatWasStoppedHasNotWorked(t *testing.T) {
	measured, left := &report.Row{Subject: "a"}, &report.Row{Subject: "b"}
	measured.Add(cases.Result{Messages: 1}, nil)
	err := smoked(&report.Report{Cases: []report.Case{{Name: "c", Rows: []*report.Row{measured, left}}}})
	if err == nil || !strings.Contains(err.Error(), "c: b: not measured") || strings.Contains(err.Error(), "c: a") {
		t.Errorf("it says %v", err)
	}
}
