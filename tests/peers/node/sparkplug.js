// Reads "hexadecimal-payload topic" lines and prints what sparkplug-payload understands of them, one JSON object per line.

const payloads = require('sparkplug-payload').get('spBv1.0');

// Names by alias, which the library leaves to its user.
const names = new Map();

const plain = (value) => (value === null || value === undefined ? null : String(value));

require('readline')
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const payload = line.slice(0, line.indexOf(' '));
    const topic = line.slice(payload.length + 1);
    const [, , kind, , device = ''] = topic.split('/');
    const decoded = payloads.decodePayload(Buffer.from(payload, 'hex'));
    const metrics = (decoded.metrics || []).map((metric) => {
      const alias = metric.alias === null || metric.alias === undefined ? null : String(metric.alias);
      if (alias !== null && metric.name) names.set(alias, metric.name);
      const properties = metric.properties || {};
      return {
        name: metric.name || names.get(alias),
        type: metric.type,
        value: plain(metric.value),
        null: metric.isNull === true,
        at: Number(metric.timestamp),
        historical: metric.isHistorical === true,
        unit: properties.engUnit ? properties.engUnit.value : null,
        quality: properties.Quality ? properties.Quality.value : null,
      };
    });
    console.log(JSON.stringify({ kind, device, seq: plain(decoded.seq), metrics }));
  });
