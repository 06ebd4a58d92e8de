package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Key describes one setting, for programs that offer, list or document it.
type Key struct {
	// Name is the dotted name, as in the file and as a flag: server.listen.
	Name string
	// Section is the part before the dot.
	Section string
	// Type is the kind of value in words: text, integer, duration, size,
	// boolean, or "list of" these.
	Type string
	// Default is the default as it would be given in a flag; a list is
	// separated by commas.
	Default string
	// Doc says what the setting does, in whole sentences.
	Doc string
	// Allowed says in words which values are valid; "" is every value of the
	// type.
	Allowed string
	// Unit names what a number counts; "" for durations, sizes and texts.
	Unit string
	// Variable is the environment variable: MUSTER_SERVER_LISTEN.
	Variable string
	// Flag is the short flag without dashes (listen), or "".
	Flag string
	// Secret says that the value can hold a password and is masked when it is
	// printed.
	Secret bool
}

// Prefix starts the name of every environment variable of the server.
const Prefix = "MUSTER_"

// FileVariable is the environment variable that names the configuration file
// when no flag does.
const FileVariable = Prefix + "CONFIG"

// declaration is a Key bound to the field of one Config. Its tags:
//
//	key      the part of the name after the dot
//	default  the value without any source; none is empty, zero or no elements
//	doc      what it does
//	flag     a short flag beside the dotted one
//	form     what a text must be: address, web, origin, postgres, peer, nats, path
//	oneof    the only texts that are valid, separated by spaces
//	min, max the bounds of an integer, duration or size, both included
//	unit     what an integer counts
type declaration struct {
	Key
	field reflect.Value
	tag   reflect.StructTag
}

// section is a table of the file.
type section struct {
	name, doc string
}

// sections lists the tables of the file in the order of declaration.
func sections() []section {
	var list []section
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.IsExported() {
			list = append(list, section{name: f.Tag.Get("key"), doc: f.Tag.Get("doc")})
		}
	}
	return list
}

// declared walks the fields of c in the order in which they stand.
func declared(c *Config) []declaration {
	var list []declaration
	for part, v := range reflect.ValueOf(c).Elem().Fields() {
		if !part.IsExported() {
			continue
		}
		for f, field := range v.Fields() {
			list = append(list, declare(part.Tag.Get("key"), f, field))
		}
	}
	return list
}

// declare reads the tags of one field.
func declare(section string, f reflect.StructField, field reflect.Value) declaration {
	d := declaration{field: field, tag: f.Tag}
	name := f.Tag.Get("key")
	d.Key = Key{
		Name:     section + "." + name,
		Section:  section,
		Type:     typeInWords(f.Type),
		Default:  f.Tag.Get("default"),
		Doc:      f.Tag.Get("doc"),
		Unit:     f.Tag.Get("unit"),
		Variable: Prefix + strings.ToUpper(section+"_"+name),
		Flag:     f.Tag.Get("flag"),
		Secret:   element(f.Type) == reflect.TypeFor[Secret](),
	}
	d.Allowed = d.allowed()
	return d
}

// Keys lists every setting in the order of declaration, which is that of the
// file, of the reference and of the help.
func Keys() []Key {
	var keys []Key
	for _, d := range declared(new(Config)) {
		keys = append(keys, d.Key)
	}
	return keys
}

// element is the type of a list's elements, or the type itself.
func element(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return t
}

// typeInWords names a type for people.
func typeInWords(t reflect.Type) string {
	var word string
	switch element(t) {
	case reflect.TypeFor[time.Duration]():
		word = "duration"
	case reflect.TypeFor[Size]():
		word = "size"
	case reflect.TypeFor[int]():
		word = "integer"
	case reflect.TypeFor[bool]():
		word = "boolean"
	case reflect.TypeFor[netip.Prefix]():
		word = "network"
	case reflect.TypeFor[string](), reflect.TypeFor[Secret]():
		word = "text"
	default:
		panic(fmt.Sprintf("config: a setting cannot have the type %v", t))
	}
	if t.Kind() == reflect.Slice {
		return "list of " + word + "s"
	}
	return word
}

// allowed says in words which values the tags allow.
func (d *declaration) allowed() string {
	var words string
	lo, hi := d.tag.Get("min"), d.tag.Get("max")
	switch {
	case d.tag.Get("oneof") != "":
		words = inWords(strings.Fields(d.tag.Get("oneof")), "or")
	case lo != "" && hi != "":
		words = lo + " to " + hi
	case lo != "":
		words = "at least " + lo
	case hi != "":
		words = "at most " + hi
	case d.tag.Get("form") == "path": // goes without saying
	case d.tag.Get("form") != "":
		words = forms[d.tag.Get("form")].words
	case d.field.Kind() == reflect.Bool:
		words = "true or false"
	case element(d.field.Type()) == reflect.TypeFor[netip.Prefix]():
		words = "an address or a network, such as 10.0.0.1 or 10.0.0.0/8"
	}
	if words != "" && d.mayBeEmpty() && d.field.Kind() != reflect.Slice {
		words += "; or empty"
	}
	return words
}

// mayBeEmpty says whether the empty text or list is a value: only where it is
// the default.
func (d *declaration) mayBeEmpty() bool {
	k := d.field.Kind()
	return d.Default == "" && (k == reflect.String || k == reflect.Slice)
}

// inWords joins a list as in a sentence: "a, b or c".
func inWords(list []string, last string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	n := len(list) - 1
	return strings.Join(list[:n], ", ") + " " + last + " " + list[n]
}
