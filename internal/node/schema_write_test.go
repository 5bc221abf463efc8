package node

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/config"
)

// schemaWriter turns structs of the configuration into a JSON schema (draft 7, which
// editors know).
type schemaWriter struct {
	// docs are comments of fields, by the signature of the struct and the field's name.
	docs map[string]string
}

// schema is a JSON schema, or part of one.
type schema = map[string]any

// A value with ${NAME} in it can stand for any other.
const fromEnvironment = `\$\{`

var patterns = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): `^\s*(0|([0-9.]+\s*(ns|us|µs|ms|s|m|h|d|w)\s*)+)\s*$|` + fromEnvironment,
	reflect.TypeFor[config.Size]():   `^\s*[0-9.]+\s*(([KMGTkmgt][Ii]?)?[Bb])?\s*$|` + fromEnvironment,
}

// object is the schema of a table that was decoded into v.
func (g *schemaWriter) object(v reflect.Value) schema {
	properties, required := schema{}, []string{}
	eachField(v, func(sf reflect.StructField, key string, field reflect.Value) {
		s := g.value(field, sf.Tag.Get("enum"))
		if text := g.docs[sf.PkgPath+sf.Name]; text != "" {
			s["description"] = text
		}
		if d := defaultOf(sf, field); d != nil {
			s["default"] = d
		}
		properties[key] = s
		if strings.HasSuffix(sf.Tag.Get("toml"), ",required") {
			required = append(required, key)
		}
	})
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// value is the schema of a field.
func (g *schemaWriter) value(v reflect.Value, enum string) schema {
	switch value := v.Interface().(type) {
	case config.Table:
		return g.object(value.Shape())
	case []config.Table:
		return schema{"type": "array", "items": g.kinds(value)}
	case config.Secret:
		return schema{"type": "string"}
	case time.Duration:
		return schema{"type": []string{"string", "integer"}, "pattern": patterns[v.Type()], "minimum": 0, "maximum": 0}
	case config.Size:
		return schema{"type": []string{"string", "integer"}, "pattern": patterns[v.Type()], "minimum": 0}
	}
	if s := structIn(v); s.IsValid() {
		return g.object(s)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return g.value(reflect.New(v.Type().Elem()).Elem(), enum)
	case reflect.Slice:
		return schema{"type": "array", "items": g.value(reflect.New(v.Type().Elem()).Elem(), enum)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": g.value(reflect.New(v.Type().Elem()).Elem(), enum)}
	case reflect.String:
		if enum == "" {
			return schema{"type": "string"}
		}
		return schema{"anyOf": []schema{
			{"enum": strings.Split(enum, ",")},
			{"type": "string", "pattern": fromEnvironment},
		}}
	case reflect.Bool:
		return schema{"type": []string{"boolean", "string"}, "pattern": fromEnvironment}
	case reflect.Int, reflect.Int64:
		return schema{"type": []string{"integer", "string"}, "pattern": fromEnvironment}
	case reflect.Float64:
		return schema{"type": []string{"number", "string"}, "pattern": fromEnvironment}
	}
	panic("no schema for a field of type " + v.Type().String())
}

// kinds is the schema of what an array of tables takes: one kind, or one of those
// that the key "type" names.
func (g *schemaWriter) kinds(tables []config.Table) schema {
	if len(tables) == 1 && !tables[0].Has("type") {
		return g.object(tables[0].Shape())
	}
	var names []string
	var each []schema
	for _, t := range tables {
		s := g.object(t.Shape())
		name := t.Text("type")
		s["properties"].(schema)["type"] = schema{"const": name}
		required, _ := s["required"].([]string)
		s["required"] = append([]string{"type"}, required...)
		s["title"] = name
		names, each = append(names, name), append(each, s)
	}
	return schema{
		"type": "object", "required": []string{"type"},
		"properties": schema{"type": schema{"enum": names}},
		"oneOf":      each,
	}
}

// defaultOf is what a field has that no file sets; nil where it is nothing.
func defaultOf(sf reflect.StructField, v reflect.Value) any {
	if text := sf.Tag.Get("default"); text != "" && v.IsZero() {
		if v.Kind() == reflect.Int {
			n, _ := strconv.Atoi(text)
			return n
		}
		return text
	}
	if v.IsZero() {
		return nil
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return config.FormatDuration(value)
	case config.Size:
		return value.String()
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Float64:
		return v.Interface()
	}
	return nil
}

// eachField calls do for what has a key in the struct v, as the configuration finds it. The
// field's PkgPath, which exported fields have not, is the signature of its struct.
func eachField(v reflect.Value, do func(sf reflect.StructField, key string, v reflect.Value)) {
	var signature strings.Builder
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		signature.WriteString(sf.Name + " " + string(sf.Tag) + "\n")
	}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, tagged := sf.Tag.Lookup("toml")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			eachField(v.Field(i), do)
			continue
		}
		if key, _, _ := strings.Cut(tag, ","); sf.IsExported() && key != "" && key != "-" {
			sf.PkgPath = signature.String()
			do(sf, key, v.Field(i))
		}
	}
}

// structIn returns the struct that v is or points to, a new one where it points to
// none; invalid where it is no struct of keys.
func structIn(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = reflect.New(v.Type().Elem())
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[config.Secret]() || v.Type() == reflect.TypeFor[config.Table]() {
		return reflect.Value{}
	}
	return v
}

// fieldDocs reads the comments of all fields in the source of some packages. Names of
// fields in them become keys.
func fieldDocs(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	docs := make(map[string]string)
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.StructType); ok {
					structDocs(s, docs)
				}
				return true
			})
		}
	}
	return docs
}

func structDocs(s *ast.StructType, docs map[string]string) {
	var signature strings.Builder
	keys := make(map[string]string)
	for _, f := range s.Fields.List {
		tag := ""
		if f.Tag != nil {
			tag, _ = strconv.Unquote(f.Tag.Value)
		}
		for _, name := range fieldNames(f) {
			signature.WriteString(name + " " + tag + "\n")
			if key, _, _ := strings.Cut(reflect.StructTag(tag).Get("toml"), ","); key != "" && key != "-" {
				keys[name] = key
			}
		}
	}
	before := ""
	for _, f := range s.Fields.List {
		text := strings.Join(strings.Fields(f.Doc.Text()), " ")
		for _, name := range fieldNames(f) {
			if text == "" && regexp.MustCompile(`\b`+name+`\b`).MatchString(before) {
				text = before // "RetryMin and RetryMax bound …"
			}
			docs[signature.String()+name] = regexp.MustCompile(`\b[A-Z]\w*\b`).ReplaceAllStringFunc(text, func(word string) string {
				if key, ok := keys[word]; ok {
					return key
				}
				return word
			})
		}
		before = text
	}
}

// fieldNames are the names that a declaration has; an embedded field has its type's.
func fieldNames(f *ast.Field) (names []string) {
	for _, name := range f.Names {
		names = append(names, name.Name)
	}
	if len(names) > 0 {
		return names
	}
	switch t := f.Type.(type) {
	case *ast.Ident:
		names = append(names, t.Name)
	case *ast.SelectorExpr:
		names = append(names, t.Sel.Name)
	}
	return names
}
