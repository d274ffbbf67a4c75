// SPDX-License-Identifier: Apache-2.0
// Signs requests, one JSON object a line on stdin, with the signer of Huawei
// Cloud's Node.js SDK. Answers a line each: the header, and the body it hashed.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { AKSKSigner } = require("@huaweicloud/huaweicloud-sdk-core/auth/AKSKSigner");

for await (const line of createInterface({ input: process.stdin })) {
  const { access, secret, ...request } = JSON.parse(line);
  const headers = AKSKSigner.sign(request, { getAk: () => access, getSk: () => secret });
  const body = request.data ? JSON.stringify(request.data) : "";
  process.stdout.write(JSON.stringify({ authorization: headers.Authorization, body }) + "\n");
}
