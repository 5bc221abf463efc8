// Package packages holds end-to-end tests of the packages: deb, rpm, tarball and image
// as they are built, and deb and rpm on real systems under systemd.
package packages
