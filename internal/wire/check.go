package wire

import (
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// Check holds a request to the limits that its schema states with
// (muster.v1.limit), and its texts to UTF-8, at every depth. The error is
// invalid_argument and names the field. It is the one place where this happens:
// every request and every client frame passes it before anything else looks at
// it.
func Check(msg proto.Message) error {
	m := msg.ProtoReflect()
	return planOf(m.Descriptor()).check(m)
}

// plan is what is to be checked in one type of message.
type plan struct {
	fields []fieldPlan
}

type fieldPlan struct {
	field    protoreflect.FieldDescriptor
	name     string
	maxLen   int
	maxItems int
	list     bool
	// inside is the plan of the message that the field holds; nil: none, or
	// nothing in it to check.
	inside *plan
}

// plans holds *plan by protoreflect.FullName. A plan is made once and then read
// only.
var plans sync.Map

func planOf(d protoreflect.MessageDescriptor) *plan {
	if p, ok := plans.Load(d.FullName()); ok {
		return p.(*plan) //nolint:errcheck // only plans are stored
	}
	p := compile(d, map[protoreflect.FullName]*plan{})
	actual, _ := plans.LoadOrStore(d.FullName(), p)
	return actual.(*plan) //nolint:errcheck // as above
}

// compile makes the plan of a type; under holds those that are being made, for
// types that contain themselves.
func compile(d protoreflect.MessageDescriptor, under map[protoreflect.FullName]*plan) *plan {
	if p := under[d.FullName()]; p != nil {
		return p
	}
	p := &plan{}
	under[d.FullName()] = p
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := fieldPlan{field: fd, name: string(fd.Name()), list: fd.IsList()}
		if limit := limitOf(fd); limit != nil {
			f.maxLen, f.maxItems = int(limit.GetMaxLen()), int(limit.GetMaxItems())
		}
		if fd.Message() != nil && !fd.IsMap() {
			f.inside = compile(fd.Message(), under)
		}
		if sized(fd) || f.list || f.inside != nil {
			p.fields = append(p.fields, f)
		}
	}
	return p
}

// limitOf is a field's limit in the schema; nil: none.
func limitOf(fd protoreflect.FieldDescriptor) *musterv1.Limit {
	limit, ok := proto.GetExtension(fd.Options(), musterv1.E_Limit).(*musterv1.Limit)
	if !ok {
		return nil
	}
	return limit
}

// sized says whether the field's values have a length.
func sized(fd protoreflect.FieldDescriptor) bool {
	return fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BytesKind
}

func (p *plan) check(m protoreflect.Message) error {
	for i := range p.fields {
		f := &p.fields[i]
		if !m.Has(f.field) {
			continue
		}
		v := m.Get(f.field)
		if !f.list {
			if err := f.value(v); err != nil {
				return err
			}
			continue
		}
		list := v.List()
		if f.maxItems > 0 && list.Len() > f.maxItems {
			return muster.Invalid(f.name, "has %d items, at most %d are allowed", list.Len(), f.maxItems)
		}
		if !sized(f.field) && f.inside == nil {
			continue
		}
		for i := range list.Len() {
			if err := f.value(list.Get(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// value checks one value of the field.
func (f *fieldPlan) value(v protoreflect.Value) error {
	size := 0
	switch {
	case f.inside != nil:
		return f.inside.check(v.Message())
	case f.field.Kind() == protoreflect.StringKind:
		s := v.String()
		if !utf8.ValidString(s) {
			return muster.Invalid(f.name, "is not valid UTF-8")
		}
		size = len(s)
	case f.field.Kind() == protoreflect.BytesKind:
		size = len(v.Bytes())
	}
	if f.maxLen > 0 && size > f.maxLen {
		return muster.Invalid(f.name, "has %d bytes, at most %d are allowed", size, f.maxLen)
	}
	return nil
}
