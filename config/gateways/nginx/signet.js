// SPDX-License-Identifier: Apache-2.0
// Passes the request with its body to the signer, and continues only with all three
// headers of the signature.
async function sign(r) {
  try {
    const options = {method: 'POST'};
    const body = r.requestBuffer;
    if (body && body.length) {
      options.body = body;
    }
    const response = await r.subrequest('/_signet', options);
    if (response.status < 200 || response.status > 299) {
      r.return(response.status === 413 ? 413 : 503);
      return;
    }
    const signature = response.headersOut['Authorization'];
    const date = response.headersOut['X-Sdk-Date'];
    const digest = response.headersOut['X-Sdk-Content-Sha256'];
    if (!signature || !date || !digest) {
      r.error('the signer returned an incomplete signature');
      r.return(502);
      return;
    }
    r.variables.signet_signature = signature;
    r.variables.signet_date = date;
    r.variables.signet_digest = digest;
    r.internalRedirect('@signed');
  } catch (e) {
    r.error(e.toString());
    r.return(500);
  }
}

export default {sign};
