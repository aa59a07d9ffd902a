// An unchanged official client against a running Vitrine. Prints one JSON line
// with what it saw; the test beside it judges.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const seen = {};

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (e) {
    return { name: e.constructor.name, status: e.status, code: e.code, param: e.param, message: e.message };
  }
}

seen.models = [];
for await (const m of await client.models.list()) seen.models.push(m.id);

const made = await client.images.generate({
  model: process.env.MODEL, prompt: "a lighthouse at dusk", size: "512x512", response_format: "b64_json", user: "customer-7",
});
seen.bytes = Buffer.from(made.data[0].b64_json, "base64").length;
seen.png = Buffer.from(made.data[0].b64_json, "base64").subarray(1, 4).toString();
seen.cost = made.cost;
seen.remainingBalance = made.remainingBalance;

const linked = await client.images.generate({
  model: process.env.MODEL, prompt: "a lighthouse at dawn", size: "512x512", response_format: "url",
});
const got = await fetch(linked.data[0].url);
seen.link = { url: linked.data[0].url, status: got.status, type: got.headers.get("content-type"), cache: got.headers.get("cache-control") };

const edited = await client.images.edit({
  model: process.env.MODEL, prompt: "the same, at night", size: "512x512",
  image: await toFile(Buffer.from(made.data[0].b64_json, "base64"), "in.png", { type: "image/png" }),
});
seen.edited = Buffer.from(edited.data[0].b64_json, "base64").length;

seen.stream = { previews: 0 };
for await (const e of await client.images.generate({
  model: process.env.MODEL, prompt: "a lighthouse at noon", size: "512x512", stream: true, partial_images: 2,
})) {
  if (e.type === "image_generation.partial_image") seen.stream.previews++;
  if (e.type === "image_generation.completed") {
    const picture = Buffer.from(e.b64_json, "base64");
    Object.assign(seen.stream, { bytes: picture.length, png: picture.subarray(1, 4).toString(), cost: e.cost });
  }
}

seen.refusedStream = await failure(client.images.generate({ model: process.env.FORBIDDEN_MODEL, prompt: "x", stream: true }));
seen.refusedModel = await failure(client.images.generate({ model: process.env.FORBIDDEN_MODEL, prompt: "x" }));
seen.badSize = await failure(client.images.generate({ model: process.env.MODEL, prompt: "x", size: "7x7" }));
seen.badKey = await failure(
  new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "vtr_nobody", maxRetries: 0 }).models.list(),
);
console.log(JSON.stringify(seen));
