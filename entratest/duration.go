package entratest

import (
	"encoding/json"
	"time"
)

// jsonDuration is a duration in the JSON form of seeds and faults. The types below
// put it in front of their time.Duration fields: of two members with one name,
// encoding/json takes the less nested.
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *jsonDuration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = jsonDuration(v)
	return err
}

type (
	plainConfig      Config
	plainApplication Application
	plainFault       Fault
	plainDeviceCodes DeviceCodes
)

type configJSON struct {
	*plainConfig
	TokenLifetime    *jsonDuration `json:"tokenLifetime,omitzero"`
	CAETokenLifetime *jsonDuration `json:"caeTokenLifetime,omitzero"`
}

type applicationJSON struct {
	*plainApplication
	TokenLifetime *jsonDuration `json:"tokenLifetime,omitzero"`
	RefreshIn     *jsonDuration `json:"refreshIn,omitzero"`
}

type faultJSON struct {
	*plainFault
	Latency    *jsonDuration `json:"latency,omitzero"`
	RetryAfter *jsonDuration `json:"retryAfter,omitzero"`
	SlowBody   *jsonDuration `json:"slowBody,omitzero"`
}

type deviceCodesJSON struct {
	*plainDeviceCodes
	Lifetime *jsonDuration `json:"lifetime,omitzero"`
	Interval *jsonDuration `json:"interval,omitzero"`
}

// IsZero is what the omitzero option asks.
func (d *jsonDuration) IsZero() bool { return d == nil || *d == 0 }

func (c *Config) wire() *configJSON {
	return &configJSON{(*plainConfig)(c), (*jsonDuration)(&c.TokenLifetime), (*jsonDuration)(&c.CAETokenLifetime)}
}

func (a *Application) wire() *applicationJSON {
	return &applicationJSON{(*plainApplication)(a), (*jsonDuration)(&a.TokenLifetime), (*jsonDuration)(&a.RefreshIn)}
}

func (f *Fault) wire() *faultJSON {
	return &faultJSON{(*plainFault)(f), (*jsonDuration)(&f.Latency), (*jsonDuration)(&f.RetryAfter), (*jsonDuration)(&f.SlowBody)}
}

func (d *DeviceCodes) wire() *deviceCodesJSON {
	return &deviceCodesJSON{(*plainDeviceCodes)(d), (*jsonDuration)(&d.Lifetime), (*jsonDuration)(&d.Interval)}
}

// MarshalJSON writes durations as Go strings.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.wire()) }

// UnmarshalJSON reads what MarshalJSON writes. [ParseSeed] is stricter.
func (c *Config) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, c.wire()) }

// MarshalJSON writes durations as Go strings.
func (a Application) MarshalJSON() ([]byte, error) { return json.Marshal(a.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Application) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, a.wire()) }

// MarshalJSON writes durations as Go strings.
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, f.wire()) }

// MarshalJSON writes durations as Go strings.
func (d DeviceCodes) MarshalJSON() ([]byte, error) { return json.Marshal(d.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (d *DeviceCodes) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, d.wire()) }
