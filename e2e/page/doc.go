// Package page drives the page of a real collector in a real Chromium: what one sees,
// types and clicks, on a log of 100,000 messages, hostile ones among them.
//
// Screenshots of the views go to the folder that SYSLANE_ARTIFACTS names, or to
// bin/screenshots.
package page
