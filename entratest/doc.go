// Package entratest is an emulator of Microsoft Entra ID for tests, as
// net/http/httptest is for HTTP.
package entratest
