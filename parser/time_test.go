package parser

import (
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// mustLoad loads a time zone.
func mustLoad(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// timeOf parses a message with the given stamp and returns its time, RFC 3339.
func timeOf(stamp, received string, location *time.Location) (string, syslog.Warnings) {
	r, err := time.Parse(time.RFC3339, received)
	if err != nil {
		panic(err)
	}
	m := syslog.Message{Raw: []byte("<13>" + stamp + " host app: text")}
	Parse(&m, &Options{Received: r, Location: location})
	return m.Time().Format(time.RFC3339Nano), m.Warnings
}

func TestYearIsChosenByTheReceiveTime(t *testing.T) {
	f := func(stamp, received, want string) {
		t.Helper()
		got, warnings := timeOf(stamp, received, time.UTC)
		if got != want {
			t.Errorf("%s received %s: got %s, want %s", stamp, received, got, want)
		}
		if warnings&syslog.WarnYearInferred == 0 {
			t.Errorf("%s: the inferred year is not flagged", stamp)
		}
	}
	f("Dec 31 23:59:59", "2025-01-01T00:00:01Z", "2024-12-31T23:59:59Z")
	f("Dec 31 23:59:59", "2025-01-31T00:00:00Z", "2024-12-31T23:59:59Z")
	f("Jan  1 00:00:01", "2024-12-31T23:59:58Z", "2025-01-01T00:00:01Z")
	f("Jan  1 00:00:01", "2024-12-01T12:00:00Z", "2025-01-01T00:00:01Z")
	f("Jan  1 12:00:00", "2025-01-01T00:00:00Z", "2025-01-01T12:00:00Z")
	f("Jan  1 00:00:01", "2024-11-01T00:00:00Z", "2024-01-01T00:00:01Z")
	f("Oct 11 22:14:15", "2022-10-11T22:14:16Z", "2022-10-11T22:14:15Z")
	f("Oct 11 22:14:15", "2022-10-11T22:14:10Z", "2022-10-11T22:14:15Z")
	f("Mar  1 00:00:00", "2022-12-24T00:00:00Z", "2022-03-01T00:00:00Z")
	f("Nov 30 00:00:00", "2022-10-12T00:00:00Z", "2021-11-30T00:00:00Z")
	f("Feb 29 10:00:00", "2025-03-01T00:00:00Z", "2024-02-29T10:00:00Z")
	f("Feb 29 10:00:00", "2024-02-29T10:00:01Z", "2024-02-29T10:00:00Z")
	f("Feb 29 10:00:00", "2103-06-01T00:00:00Z", "2096-02-29T10:00:00Z")
	f("Feb 28 10:00:00", "2023-03-01T00:00:00Z", "2023-02-28T10:00:00Z")
	f("Dec 31 23:59:59", "1970-01-01T00:00:01Z", "1969-12-31T23:59:59Z")
}

func TestZonesAreThoseOfTheStampOrTheConfiguration(t *testing.T) {
	berlin, shanghai, chicago, kolkata := mustLoad(t, "Europe/Berlin"), mustLoad(t, "Asia/Shanghai"), mustLoad(t, "America/Chicago"), mustLoad(t, "Asia/Kolkata")
	const received = "2022-10-12T00:00:00Z"
	f := func(stamp string, location *time.Location, want string) {
		t.Helper()
		if got, _ := timeOf(stamp, received, location); got != want {
			t.Errorf("%s in %v: got %s, want %s", stamp, location, got, want)
		}
	}
	f("Oct 11 22:14:15", berlin, "2022-10-11T20:14:15Z")
	f("Jan 11 22:14:15", berlin, "2022-01-11T21:14:15Z")
	f("2022-10-11 22:14:15", kolkata, "2022-10-11T16:44:15Z")
	f("2022-10-11T22:14:15Z", berlin, "2022-10-11T22:14:15Z")
	f("Oct 11 22:14:15 UTC", berlin, "2022-10-11T22:14:15Z")
	f("Oct 11 22:14:15 +0530", berlin, "2022-10-11T16:44:15Z")
	// An abbreviation of several zones is that of the configured one, if it uses it.
	f("Oct 11 22:14:15 CST", time.UTC, "2022-10-12T04:14:15Z")
	f("Oct 11 22:14:15 CST", chicago, "2022-10-12T04:14:15Z")
	f("Oct 11 22:14:15 CST", shanghai, "2022-10-11T14:14:15Z")
	f("Oct 11 22:14:15 IST", kolkata, "2022-10-11T16:44:15Z")
	f("Oct 11 22:14:15 IST", mustLoad(t, "Europe/Dublin"), "2022-10-11T21:14:15Z")
	f("Jan 11 22:14:15 CEST", berlin, "2022-01-11T20:14:15Z")
}

func TestLocalTimesAreDefinedWhereClocksChange(t *testing.T) {
	berlin := mustLoad(t, "Europe/Berlin")
	f := func(stamp, received, want string) {
		t.Helper()
		if got, _ := timeOf(stamp, received, berlin); got != want {
			t.Errorf("%s received %s: got %s, want %s", stamp, received, got, want)
		}
	}
	// 30 October 2022: 03:00 summer time is followed by 02:00; 02:30 comes twice.
	f("Oct 30 01:59:59", "2022-10-30T00:00:00Z", "2022-10-29T23:59:59Z")
	f("Oct 30 02:30:00", "2022-10-30T00:30:01Z", "2022-10-30T00:30:00Z")
	f("Oct 30 02:30:00", "2022-10-30T01:30:01Z", "2022-10-30T01:30:00Z")
	f("Oct 30 02:30:00", "2022-10-30T00:59:00Z", "2022-10-30T00:30:00Z")
	f("Oct 30 02:30:00", "2022-10-30T01:00:00Z", "2022-10-30T01:30:00Z")
	f("Oct 30 02:30:00", "2022-11-05T00:00:00Z", "2022-10-30T01:30:00Z")
	f("Oct 30 03:00:00", "2022-10-30T02:00:01Z", "2022-10-30T02:00:00Z")
	// 27 March 2022: 02:00 is followed by 03:00; 02:30 never comes.
	f("Mar 27 01:59:59", "2022-03-27T01:00:00Z", "2022-03-27T00:59:59Z")
	f("Mar 27 02:30:00", "2022-03-27T01:30:00Z", "2022-03-27T01:30:00Z")
	f("Mar 27 03:00:00", "2022-03-27T01:00:01Z", "2022-03-27T01:00:00Z")
	// New year by the clock on the wall, not by UTC.
	f("Jan  1 00:30:00", "2022-12-31T23:30:01Z", "2022-12-31T23:30:00Z")
	f("Dec 31 23:30:00", "2022-12-31T22:30:01Z", "2022-12-31T22:30:00Z")
}

// Wall clocks of all zones, at every half hour of a year, are understood as Go does.
func TestLocalTimesAgreeWithTheStandardLibrary(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Asia/Kathmandu", "Europe/Dublin"} {
		location := mustLoad(t, name)
		for unix := int64(1640995200); unix < 1672531200; unix += 1800 {
			want := time.Unix(unix, 0).In(location)
			_, offset := want.Zone()
			if got := inLocation(unix+int64(offset), location, unix+1); got != unix {
				t.Fatalf("%s: %v is understood as %v", name, want, time.Unix(got, 0).In(location))
			}
		}
	}
}

func TestDatesAgreeWithTheStandardLibrary(t *testing.T) {
	for day := time.Date(minYear, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= maxYear; day = day.AddDate(0, 0, 1) {
		year, month, d := day.Date()
		if got := unixDay(year, int(month), d) * secondsPerDay; got != day.Unix() {
			t.Fatalf("%v is %d, want %d", day, got, day.Unix())
		}
		if d == 1 || d == 31 {
			if got := yearOf(day.Unix()); got != year {
				t.Fatalf("%v is in %d", day, got)
			}
			if got := yearOf(day.Unix() - 1); month == 1 && d == 1 && year > minYear && got != year-1 {
				t.Fatalf("the second before %v is in %d", day, got)
			}
		}
	}
}

func TestClockSkewIsFlagged(t *testing.T) {
	received := time.Date(2022, 10, 11, 22, 14, 15, 0, time.UTC)
	f := func(stamp string, limit time.Duration, want bool) {
		t.Helper()
		m := syslog.Message{Raw: []byte("<13>1 " + stamp + " h a - - - text")}
		Parse(&m, &Options{Received: received, Location: time.UTC, MaxSkew: limit})
		if got := m.Warnings&syslog.WarnClockSkew != 0; got != want {
			t.Errorf("%s with a limit of %v: flagged %v", stamp, limit, got)
		}
	}
	f("2022-10-11T22:14:15Z", 0, false)
	f("2022-10-10T22:14:15Z", 0, false)
	f("2022-10-10T22:14:14Z", 0, true)
	f("2022-10-12T22:14:15Z", 0, false)
	f("2022-10-12T22:14:16Z", 0, true)
	f("2022-10-11T22:14:05Z", 5*time.Second, true)
	f("2022-10-11T22:14:12Z", 5*time.Second, false)
	f("1970-01-01T00:00:00Z", -1, false)
	f("1970-01-01T00:00:00Z", 0, true)
	f("2261-12-31T00:00:00Z", 0, true)
	f("1678-01-01T00:00:00Z", 0, true)
	f("-", 0, false)
}

func TestTimesOutOfRangeAreNone(t *testing.T) {
	for _, stamp := range []string{"0000-01-01T00:00:00Z", "1677-01-01T00:00:00Z", "2263-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		m := syslog.Message{Raw: []byte("<13>1 " + stamp + " h a - - - text")}
		Parse(&m, &Options{Received: devicesReceived})
		if m.Format != syslog.RFC5424 || m.Timestamp != syslog.NoTimestamp || m.Warnings&syslog.WarnNoTimestamp == 0 || m.Hostname.Empty() {
			t.Errorf("%s: %v %v %v", stamp, m.Format, m.Time(), m.Warnings.Names(nil))
		}
	}
}

func TestManyGoroutinesShareWhatIsKnownOfZones(t *testing.T) {
	zones := []*time.Location{mustLoad(t, "Europe/Berlin"), mustLoad(t, "America/Chicago"), mustLoad(t, "Asia/Tokyo"), mustLoad(t, "Australia/Sydney")}
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 2000 {
				location := zones[(worker+i)%len(zones)]
				want := time.Date(2000+i%30, time.Month(1+i%12), 15, 12, 0, 0, 0, location)
				wall := want.Unix()
				_, offset := want.Zone()
				if got := inLocation(wall+int64(offset), location, wall); got != wall {
					t.Errorf("%v is understood as %v", want, time.Unix(got, 0).In(location))
					return
				}
			}
		})
	}
	wait.Wait()
}
