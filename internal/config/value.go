package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written with a binary unit: 64KiB.
type Size int64

// sizeUnits lists the units of a Size, the greatest first.
var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads a whole number of B, KiB, MiB, GiB or TiB; without a unit it
// is bytes.
func ParseSize(s string) (Size, error) {
	number, unit := strings.TrimSpace(s), Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a size: write a whole number and B, KiB, MiB, GiB or TiB, such as 64KiB", s)
	}
	if n > math.MaxInt64/int64(unit) {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return Size(n) * unit, nil
}

// String gives the size with the greatest unit that divides it.
func (s Size) String() string {
	if s == 0 {
		return "0B"
	}
	for _, u := range sizeUnits {
		if s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B" // not reached: every size divides by 1
}

// day is a day of 24 hours, the only unit that a duration has here beside Go's.
const day = 24 * time.Hour

// ParseDuration reads a Go duration ("1m30s"), which may begin with whole days
// of 24 hours ("90d", "1d12h"). It is never negative.
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration: write a number and ms, s, m, h or d, such as 30s or 14d", s)
	rest := strings.TrimSpace(s)
	var days time.Duration
	if number, after, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return 0, bad
		}
		if n > uint64(math.MaxInt64/day) {
			return 0, fmt.Errorf("%q is too long", s)
		}
		days, rest = time.Duration(n)*day, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil || d < 0 || strings.HasPrefix(rest, "+"):
		return 0, bad
	case d > math.MaxInt64-days:
		return 0, fmt.Errorf("%q is too long", s)
	}
	return days + d, nil
}

// FormatDuration writes a duration so that ParseDuration reads it, without
// zero parts: 15m, 24h, 14d.
func FormatDuration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Secret is a text that can hold a password, such as a database URL. Printing
// or logging it in any way masks the password; Reveal gives the text itself.
type Secret string

// Reveal gives the whole text, for the one who connects with it.
func (s Secret) Reveal() string { return string(s) }

// mask stands for a password.
const mask = "********"

// String gives the text with the password masked. A text that is not a URL is
// masked as a whole.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return mask
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return mask
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), mask)
		} else if u.User.Username() != "" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
			u.User = url.User(mask) // NATS takes a token in the place of the name
		}
	}
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, mask)
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = strings.ReplaceAll(query.Encode(), url.QueryEscape(mask), mask)
	}
	return strings.ReplaceAll(u.String(), url.PathEscape(mask), mask)
}

// GoString masks as String does, for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue masks as String does, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks as String does, for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// set checks a raw value and stores it. raw is a string (environment, flags,
// defaults) or what TOML gives: string, int64, bool, float64, []any and so on.
// On an error the field keeps its value.
func (d *declaration) set(raw any) error {
	if d.field.Kind() != reflect.Slice {
		v, err := d.parse(raw)
		if err != nil {
			return err
		}
		d.field.Set(v)
		return nil
	}
	elements, err := split(raw)
	if err != nil {
		return err
	}
	if len(elements) == 0 && !d.mayBeEmpty() {
		return errors.New("must not be empty")
	}
	list := reflect.MakeSlice(d.field.Type(), 0, len(elements))
	for _, e := range elements {
		v, err := d.parse(e)
		if err != nil {
			return err
		}
		list = reflect.Append(list, v)
	}
	d.field.Set(list)
	return nil
}

// split gives the elements of a list, which is an array in TOML and otherwise
// a text separated by commas.
func split(raw any) ([]any, error) {
	switch v := raw.(type) {
	case []any:
		return v, nil
	case string:
		var elements []any
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				elements = append(elements, part)
			}
		}
		return elements, nil
	}
	return nil, fmt.Errorf("%v is not a list of texts", raw)
}

// parse checks one value, or one element of a list.
func (d *declaration) parse(raw any) (reflect.Value, error) {
	t := element(d.field.Type())
	switch t {
	case reflect.TypeFor[bool]():
		return parseBool(raw)
	case reflect.TypeFor[int](), reflect.TypeFor[Size](), reflect.TypeFor[time.Duration]():
		return d.parseNumber(t, raw)
	}
	s, ok := raw.(string)
	if !ok {
		return reflect.Value{}, fmt.Errorf("%v is not a text: put it in quotes", raw)
	}
	if t == reflect.TypeFor[netip.Prefix]() {
		p, err := parsePrefix(s)
		return reflect.ValueOf(p), err
	}
	if err := d.checkText(s); err != nil {
		return reflect.Value{}, err
	}
	if clean := forms[d.tag.Get("form")].clean; clean != nil {
		s = clean(s)
	}
	return reflect.ValueOf(s).Convert(t), nil
}

// parseBool reads true or false.
func parseBool(raw any) (reflect.Value, error) {
	switch raw {
	case true, "true":
		return reflect.ValueOf(true), nil
	case false, "false":
		return reflect.ValueOf(false), nil
	}
	return reflect.Value{}, fmt.Errorf("%v is not true or false", quoted(raw))
}

// parseNumber reads an integer, a size or a duration and checks its bounds.
func (d *declaration) parseNumber(t reflect.Type, raw any) (reflect.Value, error) {
	n, err := number(t, raw)
	if err != nil {
		return reflect.Value{}, err
	}
	lo, hi := d.tag.Get("min"), d.tag.Get("max")
	for bound, sign := range map[string]int64{lo: 1, hi: -1} {
		if bound == "" {
			continue
		}
		limit, err := number(t, bound)
		if err != nil {
			panic("config: a bound of " + d.Name + " is not valid: " + err.Error())
		}
		if (sign > 0 && n < limit) || (sign < 0 && n > limit) {
			return reflect.Value{}, fmt.Errorf("%v is out of bounds: %s are allowed", raw, d.allowed())
		}
	}
	return reflect.ValueOf(n).Convert(t), nil
}

// number reads the three kinds of numbers. A size may be a bare TOML integer; a
// duration may not, for its unit would be a guess.
func number(t reflect.Type, raw any) (int64, error) {
	s, isText := raw.(string)
	n, isInteger := raw.(int64)
	switch {
	case t == reflect.TypeFor[time.Duration]() && isText:
		v, err := ParseDuration(s)
		return int64(v), err
	case t == reflect.TypeFor[time.Duration]():
		return 0, fmt.Errorf("%v is not a duration: write it in quotes and with its unit, such as \"30s\"", raw)
	case t == reflect.TypeFor[Size]() && isText:
		v, err := ParseSize(s)
		return int64(v), err
	case isInteger && (t != reflect.TypeFor[Size]() || n >= 0):
		return n, nil
	case isText:
		v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err == nil && int64(int(v)) == v {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%v is not a whole number", quoted(raw))
}

// quoted quotes texts and leaves other values as they are.
func quoted(raw any) any {
	if s, ok := raw.(string); ok {
		return strconv.Quote(s)
	}
	return raw
}

// parsePrefix reads a network, or an address as a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%q is not an address or a network, such as 10.0.0.1 or 10.0.0.0/8", s)
}

// show writes the value of a field as TOML, secrets masked.
func show(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		elements := make([]string, v.Len())
		for i := range elements {
			elements[i] = show(v.Index(i))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	switch x := v.Interface().(type) {
	case bool, int:
		return fmt.Sprint(x)
	case time.Duration:
		return quoteTOML(FormatDuration(x))
	default: // string, Secret, Size, netip.Prefix: their own text form
		return quoteTOML(fmt.Sprint(x))
	}
}

// quoteTOML writes a TOML basic string. Go's escapes are not all TOML's: \x41,
// \a and \v are not.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
