package azidentity

import "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"

// EventAuthentication is the event of the Azure SDK's log under which
// Microsoft's package writes. It is here so that programs which name it
// compile. This package logs through [log/slog], at level debug, and, when
// AZURE_SDK_GO_LOGGING is "all", to standard error.
const EventAuthentication log.Event = "Authentication"
