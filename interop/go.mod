module github.com/azid-go/azidentity/interop

go 1.25.0
