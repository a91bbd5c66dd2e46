package main

import (
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
	"rsc.io/qr"
)

// quietZone is how many light modules surround a QR code. The standard asks for four;
// scanners do with two, and with four a code for Entra's page leaves no room for text on
// a terminal of 24 lines.
const quietZone = 2

// qrLines draws a QR code, two modules to a character: dark ones black and light ones
// white, whatever the colours of the terminal are. Each line is of the second result's
// width.
func qrLines(text string) (lines []string, width int, err error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, 0, err
	}
	halves := map[[2]bool]string{{true, true}: " ", {true, false}: "▄", {false, true}: "▀", {false, false}: "█"}
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		var b strings.Builder
		b.WriteString("\x1b[97;40m")
		for x := -quietZone; x < code.Size+quietZone; x++ {
			// Outside of the code there are light modules only.
			b.WriteString(halves[[2]bool{code.Black(x, y), code.Black(x, y+1)}])
		}
		lines = append(lines, b.String()+"\x1b[0m")
	}
	return lines, code.Size + 2*quietZone, nil
}

// showsQR returns the lines of a QR code if the terminal can show it beside so many other
// lines. It cannot without colours, which the code needs for its dark and its light, nor
// where characters beyond ASCII do not work or there is no room.
func showsQR(w io.Writer, text string, others int) []string {
	if !styleFor(w).on || !writesUTF8(runtime.GOOS, os.Getenv) {
		return nil
	}
	lines, width, err := qrLines(text)
	if columns, rows := terminalSize(w); err != nil || width > columns || len(lines)+others > rows {
		return nil
	}
	return lines
}

// terminalSize returns columns and rows. A terminal that does not know, such as a serial
// line, has 80 and 24.
func terminalSize(w io.Writer) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

// writesUTF8 reports whether the locale has UTF-8. Windows has no locale variables, and
// consoles get Unicode from Go.
func writesUTF8(system string, getenv func(string) string) bool {
	if system == "windows" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := getenv(name); value != "" {
			return strings.Contains(strings.ReplaceAll(strings.ToUpper(value), "-", ""), "UTF8")
		}
	}
	return false
}
