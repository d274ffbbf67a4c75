// SPDX-License-Identifier: Apache-2.0
// Passes the request with its body to the signer, and continues only with all
// headers of the signature.
const names = ['Authorization', 'X-Sdk-Date', 'X-Sdk-Content-Sha256'];

async function sign(r) {
  try {
    const options = {method: 'POST'};
    if (r.variables.request_body_file) {
      // It did not fit into client_body_buffer_size.
      r.return(413);
      return;
    }
    const body = r.requestBuffer;
    if (body && body.length) {
      options.body = body;
    }
    const response = await r.subrequest('/_signet', options);
    if (response.status < 200 || response.status > 299) {
      // Errors of the client are its own.
      r.return(response.status === 400 || response.status === 413 ? response.status : 503);
      return;
    }
    if (!names.every(name => response.headersOut[name])) {
      r.error('the signer returned an incomplete signature');
      r.return(502);
      return;
    }
    names.forEach(name => {
      r.variables['signet_' + name.toLowerCase().replace(/-/g, '_')] = response.headersOut[name];
    });
    r.internalRedirect('@signed');
  } catch (e) {
    r.error(e.toString());
    r.return(500);
  }
}

export default {sign};
