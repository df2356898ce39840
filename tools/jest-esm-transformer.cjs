// Turns an ES module of node_modules into CommonJS, so that Jest in CommonJS mode can load it.
const { createHash } = require('node:crypto');
const { existsSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const swc = require('@swc/core');

const types = new Map();
function packageType(dir) {
  let type = types.get(dir);
  if (type === undefined) {
    const file = join(dir, 'package.json');
    type = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')).type ?? 'commonjs') : packageType(dirname(dir));
    types.set(dir, type);
  }
  return type;
}
const isEsm = (file) => file.endsWith('.mjs') || (file.endsWith('.js') && packageType(dirname(file)) === 'module');

module.exports = {
  getCacheKey: (source, file) => createHash('sha1').update(swc.version).update(file).update(source).digest('hex'),
  process(source, file) {
    if (!isEsm(file)) return { code: source };
    // CommonJS already has these two names.
    const code = source.replace(/\b(?:const|let|var) (__dirname|__filename)\b/g, 'var $1');
    return swc.transformSync(code, {
      filename: file,
      swcrc: false,
      configFile: false,
      jsc: { target: 'es2023', parser: { syntax: 'ecmascript' } },
      module: { type: 'commonjs' },
    });
  },
};
