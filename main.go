// Command caddy is Caddy with its standard modules and the WA gateway.
//
// The same server comes out of
//
//	xcaddy build --with github.com/genfity/wa-gateway/caddywagateway
//
// which also adds other plugins.
package main

import (
	// Certificates' and logs' local times need no zone files on the machine.
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/genfity/wa-gateway/caddywagateway"
)

func main() {
	caddycmd.Main()
}
