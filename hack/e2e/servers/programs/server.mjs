// SPDX-License-Identifier: Apache-2.0

// Servers of Node.js behind the example: they answer with the ID of the key and the body.
import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import { createServer as createServer2 } from 'node:http2'

const { PUBLIC_TEXT, Verifier, pairs } = await import(process.env.VERIFIERS + '/javascript/signet_verifier.mjs')

EXAMPLE

function answer (req, res) {
  res.writeHead(200, { 'X-Key-Id': req.keyID })
  res.end(req.body)
}

const servers = {
  http: () => createServer((req, res) => verified(req, res, () => answer(req, res))),
  http2: () => createServer2((req, res) => verified(req, res, () => answer(req, res))),
  express: () => {
    const express = createRequire(process.env.MODULES + '/')('express')
    const inner = express.Router().use(verified).use(answer)
    return createServer(express().use('/orders', inner).use('/', inner))
  }
}
const [host, port] = process.env.ADDRESS.split(':')
servers[process.argv[2]]().listen(Number(port), host)
