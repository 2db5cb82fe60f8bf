// Records a session of amqplib (https://www.npmjs.com/package/amqplib) with a RabbitMQ broker: both
// directions, octet for octet, as a proxy between the two sees them.
//
//     npm i amqplib@2.3.1
//     node session_recorder.js node_modules/amqplib amqp://localhost:5672 > ../session.json
//
// The session uses most of what an application does: declare, bind, publish with properties and
// headers, confirms, a body of several frames, a returned message, consume, ack, nack, get, an
// exception that closes a channel, close.

const net = require('net');
const path = require('path');

const amqp = require(path.resolve(process.argv[2]));
const broker = new URL(process.argv[3]);

function recordingProxy() {
  const recorded = { client: [], server: [] };
  const proxy = net.createServer((client) => {
    const server = net.connect(broker.port || 5672, broker.hostname);
    client.on('data', (octets) => { recorded.client.push(octets); server.write(octets); });
    server.on('data', (octets) => { recorded.server.push(octets); client.write(octets); });
    client.on('close', () => server.end());
    server.on('close', () => client.end());
    client.on('error', () => {});
    server.on('error', () => {});
  });
  return new Promise((resolve) => proxy.listen(0, '127.0.0.1', () => resolve({ proxy, recorded })));
}

const PROPERTIES = {
  contentType: 'application/json', contentEncoding: 'identity', deliveryMode: 2, priority: 3,
  correlationId: 'c-1', replyTo: 'replies', expiration: '600000', messageId: 'm-1',
  timestamp: 1700000000, type: 'order.created', userId: 'guest', appId: 'recorder',
  headers: {
    text: 'schön', small: 1, large: 5000000000, fraction: 0.5, yes: true, nothing: null,
    octets: Buffer.from([0, 255]), list: [1, 'two', [3]], nested: { a: { b: 'c' } },
    when: { '!': 'timestamp', value: 1700000000 }, price: { '!': 'decimal', value: { places: 2, digits: 1999 } },
  },
};

async function session(url) {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.prefetch(10);
  await channel.assertExchange('recorder', 'topic', { durable: false, autoDelete: true });
  const { queue } = await channel.assertQueue('', {
    exclusive: true, maxLength: 100, arguments: { 'x-overflow': 'reject-publish' },
  });
  await channel.bindQueue(queue, 'recorder', 'order.#');

  channel.publish('recorder', 'order.1', Buffer.from('{"id":1}'), PROPERTIES);
  channel.publish('recorder', 'order.2', Buffer.alloc(0));
  channel.publish('recorder', 'order.3', Buffer.alloc(9000, 'x'), { contentType: 'text/plain' });
  const returned = new Promise((resolve) => channel.once('return', resolve));
  channel.publish('recorder', 'nowhere', Buffer.from('lost'), { mandatory: true });
  await channel.waitForConfirms();
  await returned;

  const first = await channel.get(queue);
  channel.ack(first);
  await new Promise((resolve) => {
    let n = 0;
    channel.consume(queue, (message) => {
      n += 1;
      if (n === 1) channel.nack(message, false, true);
      else channel.ack(message, n === 3);
      if (n === 3) resolve();
    }, { consumerTag: 'recorder' });
  });
  await channel.cancel('recorder');
  await channel.get(queue);
  await channel.unbindQueue(queue, 'recorder', 'order.#');
  await channel.purgeQueue(queue);
  await channel.deleteQueue(queue);

  const other = await connection.createChannel();
  other.on('error', () => {});
  await other.checkQueue('no such queue').catch(() => {});
  await channel.close();
  await connection.close();
}

recordingProxy().then(async ({ proxy, recorded }) => {
  const port = proxy.address().port;
  await session(`amqp://guest:guest@127.0.0.1:${port}/?frameMax=4096&heartbeat=0`);
  proxy.close();
  const [client, server] = [recorded.client, recorded.server].map((parts) => Buffer.concat(parts));
  const hex = { client: client.toString('hex'), server: server.toString('hex') };
  console.log(JSON.stringify(hex, null, 2));
});
