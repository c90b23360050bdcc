// Serves aimock with the fixtures of the file that is named, on a free port whose URL it prints. Ends with its stdin.
// Whoever asks has to present the key that comes second.
import { LLMock } from "@copilotkit/aimock";

const [fixtures, key] = process.argv.slice(2);
const mock = new LLMock({ port: 0, host: "127.0.0.1", strict: true, logLevel: "silent", auth: { apiKeys: [key] } });
mock.loadFixtureFile(fixtures);
await mock.start();
console.log(mock.url);
process.stdin.on("end", () => process.exit(0)).resume();
