// Encodes the cases with amqplib (https://www.npmjs.com/package/amqplib) and adds the octets.
//
//     npm i amqplib@2.3.1
//     node amqplib_recorder.js node_modules/amqplib < cases.json > ../amqplib.json
//
// The codec is not part of the package's exports, hence the path.

const fs = require('fs');
const path = require('path');

const lib = path.resolve(process.argv[2], 'lib');
const defs = require(path.join(lib, 'defs'));
const frame = require(path.join(lib, 'frame'));

const TYPES = {
  b: 'int8', B: 'uint8', s: 'int16', u: 'uint16', I: 'int32', i: 'uint32', l: 'int64',
  f: 'float', d: 'double', T: 'timestamp',
};

function value(vector) {
  if (typeof vector === 'string') return vector;
  const [[tag, inner]] = Object.entries(vector);
  switch (tag) {
    case 't': return inner;
    case 'V': return null;
    case 'A': return inner.map(value);
    case 'F': return table(inner);
    case 'x': return Buffer.from(inner.hex, 'hex');
    case 'D': return { '!': 'decimal', value: { places: inner[0], digits: inner[1] } };
    default: return { '!': TYPES[tag], value: inner };
  }
}

function table(pairs) {
  return Object.fromEntries(pairs.map(([name, vector]) => [name, value(vector)]));
}

function camel(name) {
  if (name === 'no-wait') return 'nowait';
  return name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());
}

function field([name, kind, vector]) {
  if (kind === 'table') return [camel(name), table(vector)];
  if (kind === 'longstr') return [camel(name), Buffer.from(vector)];
  return [camel(name), vector];
}

function methodId(name) {
  const constant = name.replace(/(^|[.-])([a-z])/g, (_, __, letter) => letter.toUpperCase());
  if (!(constant in defs)) throw new Error(constant);
  return defs[constant];
}

function octets(entry) {
  if (entry.name === 'heartbeat') return frame.HEARTBEAT_BUF;
  if (entry.name === 'body') {
    return frame.makeBodyFrame(entry.channel, Buffer.from(entry.body, 'hex'));
  }
  const fields = Object.fromEntries(entry.fields.map(field));
  if (entry.name === 'basic.properties') {
    const size = entry['body-size'];
    return defs.encodeProperties(defs.BasicProperties, entry.channel, size, fields);
  }
  return defs.encodeMethod(methodId(entry.name), entry.channel, fields);
}

const lines = JSON.parse(fs.readFileSync(0, 'utf8'))
  .filter((entry) => entry.by.includes('amqplib'))
  .map(({ by, ...entry }) => JSON.stringify({ ...entry, hex: octets(entry).toString('hex') }));
console.log(`[\n${lines.join(',\n')}\n]`);
