package entra

import (
	"net/http"
	"time"
)

// What the tests of the decoders, and nobody else, needs.
var (
	DecodeToken     = decodeToken
	DecodeError     = decodeError
	DecodeInstances = decodeInstances
	MergeClaims     = mergeClaims
	RetryAfter      = retryAfter
	ValidHost       = validHost
	AllAdvice       = advice
	AdviceByError   = adviceByError
	SharedClient    = sharedClient

	CheckOneResource   = checkOneResource
	ErrUnknownInstance = errUnknownInstance
)

const (
	MaxBody       = maxBody
	TenantMark    = tenantMark
	CAEClaims     = caeClaims
	RegionPause   = regionPause
	DefaultTry    = defaultTryTimeout
	MaxStates     = maxStates
	RegionTry     = regionPatience
	Detection     = detectionBound
	ValidateHosts = validationBound
)

func DecodeMetadata(body []byte, host, tenant string, aliases []string) (string, error) {
	t, err := decodeMetadata(body, host, tenant, aliases)
	return t.token, err
}

func (a Authority) Endpoint(tenant, leaf string) string { return a.endpoint(a.host, tenant, leaf) }

// Clouds returns the hosts of the table, by the one to send requests to.
func Clouds() map[string][]string {
	m := make(map[string][]string)
	for _, c := range clouds {
		m[c.Host] = c.aliases
	}
	return m
}

// DecodeAssertion is decodeAssertion with an error that can be nil.
func DecodeAssertion(status int, header http.Header, body []byte, member string) (string, error) {
	jwt, e := decodeAssertion(status, header, body, member)
	if e != nil {
		return "", e
	}
	return jwt, nil
}

// DecodeDeviceCode is decodeDeviceCode with an error that can be nil.
func DecodeDeviceCode(status int, header http.Header, body []byte, sent time.Time) (DeviceCode, error) {
	d, e := decodeDeviceCode(status, header, body, sent)
	if e != nil {
		return DeviceCode{}, e
	}
	return d, nil
}

// DecodeMEX returns address and action.
func DecodeMEX(data []byte) (address, action string, err error) {
	e, err := decodeMEX(data)
	return e.address, e.version.action, err
}

// DecodeTrust returns grant type and assertion.
func DecodeTrust(data []byte) (grantType, assertion string, err error) {
	s, err := decodeTrust(data)
	return s.grantType, s.text, err
}

// Templates returns all endpoints of a metadata document.
func Templates(body []byte, host, tenant string) (token, authorize, deviceCode string, err error) {
	t, err := decodeMetadata(body, host, tenant, nil)
	return t.token, t.authorize, t.deviceCode, err
}
