// SPDX-License-Identifier: Apache-2.0

package gateways

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// ShippedConfig reads a file of config/gateways with the names in it replaced, by
// addresses and folders of this machine and nothing else. A name that is not
// there is an error: the file that users read is the file that runs.
func ShippedConfig(path string, replace map[string]string) (string, error) {
	root, err := proc.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "config", "gateways", path))
	if err != nil {
		return "", fmt.Errorf("read a shipped configuration: %w", err)
	}
	config := string(text)
	for from, to := range replace {
		if !strings.Contains(config, from) {
			return "", fmt.Errorf("%s does not have %q", path, from)
		}
		config = strings.ReplaceAll(config, from, to)
	}
	return config, nil
}

// CaddyOptions go before a Caddyfile: nothing is reached or stored but
// what the file configures.
const CaddyOptions = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n}\n"

// NginxConf includes files of a folder as a distribution's nginx.conf does, for
// an nginx that runs in that folder alone.
func NginxConf(dir string, files ...string) string { return renderNginxConf(dir, "", "", files) }

// NginxConfWithJS is NginxConf for files that use njs and have their scripts in
// the folder. It returns an error if nginx has no njs.
func NginxConfWithJS(ctx context.Context, dir string, files ...string) (string, error) {
	module, err := loadNJS(ctx)
	if err != nil {
		return "", err
	}
	return renderNginxConf(dir, module, "js_path "+dir+";", files), nil
}

func renderNginxConf(dir, module, scripts string, files []string) string {
	conf := `
daemon off; master_process off; pid DIR/pid; error_log DIR/error.log info;
MODULE
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  SCRIPTS
  include DIR/` + strings.Join(files, ";\n  include DIR/") + `;
}`
	return strings.NewReplacer("MODULE", module, "SCRIPTS", scripts, "DIR", dir).Replace(conf)
}

// njs is where Debian's libnginx-mod-http-js has its module.
const njs = "/usr/lib/nginx/modules/ngx_http_js_module.so"

// loadNJS returns the directive that loads njs, or nothing if it is built in.
func loadNJS(ctx context.Context) (string, error) {
	if _, err := os.Stat(njs); err == nil {
		return "load_module " + njs + ";", nil
	}
	program, err := Nginx()
	if err != nil {
		return "", err
	}
	options, err := exec.CommandContext(ctx, program, "-V").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("read the options of nginx: %w", err)
	}
	for option := range strings.FieldsSeq(string(options)) {
		if strings.HasPrefix(option, "--add-module=") && strings.Contains(option, "njs") {
			return "", nil
		}
	}
	return "", errors.New("nginx has no njs: apt-get install libnginx-mod-http-js")
}
