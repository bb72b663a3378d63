// Encodes and decodes messages with the npm package iso_8583, which shares no code with Paytone.
// Reads and writes what pyiso8583_messages.py does.
const fs = require("node:fs");
const Iso8583 = require("iso_8583");

const asked = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const answers = asked.cases.map(({ type, fields, hex }) => {
  const raw = new Iso8583({ 0: type, ...fields }).getRawMessage();
  if (raw.error) throw new Error(`${raw.error} in ${JSON.stringify(fields)}`);
  const message = Buffer.from(hex, "hex");
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  const { 0: kind, ...decoded } = new Iso8583().getIsoJSON(Buffer.concat([length, message]));
  return { encoded: raw.toString("hex"), type: kind, decoded };
});
process.stdout.write(JSON.stringify(answers));
