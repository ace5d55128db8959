// Plays a controller against an accessory: node controller.mjs HOST PORT CODE [discover]
// What it saw is printed as one line of JSON for each step; a line "motion?" asks
// for motion. It ends with an error where an answer is not as HAP wants it.
import { HttpClient, IPDiscovery } from 'hap-controller';

const [,, host, portText, code, discover] = process.argv;
const port = Number(portText);
const say = (step, seen = {}) => console.log(JSON.stringify({ step, ...seen }));
const need = (so, what) => { if (!so) throw new Error(what); };

// within ends a step that never answers: the client waits for ever by itself.
const within = (what, promise, ms = 5000) => Promise.race([
  promise,
  new Promise((_, no) => setTimeout(() => no(new Error(`no answer: ${what}`)), ms).unref()),
]);

let id = '';
if (discover) {
  const seen = await within('mDNS', new Promise((yes) => {
    const search = new IPDiscovery('lo');
    search.on('serviceUp', (s) => { if (s.port === port) { search.stop(); yes(s); } });
    search.start();
  }), 10000);
  need(seen.ci === 17 && seen.sf === 1, `announced as ${JSON.stringify(seen)}`);
  id = seen.id;
  say('discovered', { name: seen.name, id, config: seen['c#'] });
}

const first = new HttpClient(id, host, port);
await within('pair', first.pairSetup(code, 0), 10000);
const data = first.getLongTermData();
await first.close();
say('paired');

const client = new HttpClient(id, host, port, data, { usePersistentConnections: true });
const { accessories } = await within('accessories', client.getAccessories());
const find = (service, type) => accessories[0].services.filter((s) => s.type === service)
  .flatMap((s) => s.characteristics.filter((c) => c.type === type).map((c) => `1.${c.iid}`));
const full = (short) => `${short.padStart(8, '0')}-0000-1000-8000-0026BB765291`;
const ids = (service, type) => [...find(service, type), ...find(full(service), full(type))];
const endpoints = ids('110', '118');
const motion = ids('85', '22');
need(accessories.length === 1 && endpoints.length === 4 && motion.length === 1, 'the camera has other services');
say('accessories', { services: accessories[0].services.map((s) => s.type) });

const image = await within('snapshot', client.getImage(640, 360, 1));
need(image[0] === 0xff && image[1] === 0xd8, 'the snapshot is no JPEG');
say('snapshot', { bytes: image.length });

const events = [];
client.on('event', (e) => events.push(e));
await within('subscribe', client.subscribeCharacteristics(motion));
say('motion?');
await within('motion', (async () => {
  while (events.length === 0) await new Promise((yes) => setTimeout(yes, 20));
})());
say('motion', { event: events[0].characteristics[0] });

const tlv = (...items) => Buffer.concat(items.map(([type, value]) => Buffer.concat([Buffer.from([type, value.length]), value])));
const keys = tlv([1, Buffer.from([0])], [2, Buffer.alloc(16, 1)], [3, Buffer.alloc(14, 2)]);
const session = Buffer.alloc(16, 3);
const at = tlv([1, Buffer.from([0])], [2, Buffer.from('127.0.0.1')], [3, Buffer.from([0x39, 0x30])], [4, Buffer.from([0x3a, 0x30])]);
await within('endpoints', client.setCharacteristics({ [endpoints[0]]: tlv([1, session], [3, at], [4, keys], [5, keys]).toString('base64') }));
const back = await within('endpoints', client.getCharacteristics([endpoints[0]]));
const answer = Buffer.from(back.characteristics[0].value, 'base64');
need(answer.subarray(2, 18).equals(session) && answer[20] === 0, 'the answer to set-up is about something else');
say('endpoints', { bytes: answer.length });

const guest = Buffer.alloc(32, 4);
await within('add', client.addPairing('guest', guest, false));
const list = await within('list', client.listPairings());
need(list.size > 0, 'no pairings are listed');
await within('remove', client.removePairing('guest'));
say('pairings');
await client.close();
process.exit(0);
