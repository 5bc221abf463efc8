package syslog

// ExtractedID is the SD-ID under which fields stand that were taken out of the
// text of a message: [fields key="value" …].
const ExtractedID = "fields"

// maxExtractedName is the most octets kept of a field's name. Paths into nested
// objects are longer than the SD-NAME of RFC 5424 may be.
const maxExtractedName = 256

// AppendExtracted appends one field to dst, which is empty or was made by it. The
// form is that of structured data (EachElement reads it), but for the length of
// names. Octets that an SD-NAME may not have become "_".
func AppendExtracted(dst, name, value []byte) []byte {
	if len(dst) == 0 {
		dst = AppendElement(dst, ExtractedID)
	} else {
		dst = dst[:len(dst)-1]
	}
	dst = appendName(append(dst, ' '), name, maxExtractedName)
	return EndElement(appendQuoted(append(dst, '='), value))
}
