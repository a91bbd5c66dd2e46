package entratest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// goCode writes a value of this package's types as Go code, without what is zero, and
// with a placeholder for what is secret.
func goCode(v any) string { return goValue(reflect.ValueOf(v), "") }

func goValue(v reflect.Value, indent string) string {
	inner := indent + "\t"
	switch x := v.Interface().(type) {
	case Password:
		return strconv.Quote(redacted)
	case Secret:
		return "{Value: " + strconv.Quote(redacted) + "}"
	case time.Duration:
		if x%time.Second == 0 {
			return fmt.Sprintf("%d * time.Second", x/time.Second)
		}
		return fmt.Sprintf("time.Duration(%d)", x)
	case time.Time:
		return fmt.Sprintf("time.Unix(%d, 0)", x.Unix())
	}
	switch v.Kind() {
	case reflect.Struct:
		var fields []string
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				fields = append(fields, inner+f.Name+": "+goValue(v.Field(i), inner)+",\n")
			}
		}
		return "entratest." + v.Type().Name() + goBraces(fields, indent)
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, inner+goValue(v.Index(i), inner)+",\n")
		}
		return "[]" + goType(v.Type().Elem()) + goBraces(items, indent)
	case reflect.Map:
		var items []string
		for _, key := range v.MapKeys() {
			items = append(items, inner+goValue(key, inner)+": "+goValue(v.MapIndex(key), inner)+",\n")
		}
		slices.Sort(items)
		return "map[" + goType(v.Type().Key()) + "]" + goType(v.Type().Elem()) + goBraces(items, indent)
	case reflect.String:
		return strconv.Quote(v.String())
	}
	return fmt.Sprint(v.Interface())
}

func goBraces(items []string, indent string) string {
	if len(items) == 0 {
		return "{}"
	}
	return "{\n" + strings.Join(items, "") + indent + "}"
}

func goType(t reflect.Type) string {
	if t.Kind() == reflect.Slice {
		return "[]" + goType(t.Elem())
	}
	if t.PkgPath() != "" {
		return "entratest." + t.Name()
	}
	return t.Name()
}
