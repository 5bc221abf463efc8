// The measurements are a module of their own, so that what is only measured beside
// the log is no dependency of the program.
module github.com/syslane/syslane/bench/spool

go 1.26.0

replace github.com/syslane/syslane => ../..

require (
	github.com/syslane/syslane v0.0.0-00010101000000-000000000000
	github.com/tidwall/wal v1.2.1
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.22 // indirect
	github.com/rs/zerolog v1.35.1 // indirect
	github.com/tidwall/gjson v1.10.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	github.com/tidwall/tinylru v1.1.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
