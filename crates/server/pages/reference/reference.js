// The API reference: draws /openapi.json, so it can say nothing that the server's own document does not.

import { byId, h, show } from "/shared/dom.js";
import { languageSwitch, loadMessages, t } from "/shared/messages.js";
import { loading, notice } from "/shared/parts.js";
import { request, wordsFor } from "/shared/request.js";

const methods = ["get", "post", "put", "patch", "delete"];
// Schemas may contain themselves; deeper than this the name must do.
const deepest = 4;

let spec = {};

function resolve(node) {
  let seen = 0;
  while (node?.$ref && seen < 8) {
    node = node.$ref.replace(/^#\//, "").split("/").reduce((at, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], spec);
    seen += 1;
  }
  return node ?? {};
}

/// A sentence of the document, with what stands between backticks set as code.
function prose(text) {
  return text.split(/`([^`]+)`/).map((part, place) => (place % 2 === 1 ? h("code", {}, part) : part));
}

function nameOf(schema) {
  return schema?.$ref?.split("/").pop() ?? null;
}

/// The schema with `allOf` merged and a nullable `oneOf`/`anyOf` reduced to what it is when it is there.
function flat(schema) {
  const found = resolve(schema);
  const choices = found.oneOf ?? found.anyOf;
  if (choices) {
    const real = choices.filter((choice) => choice.type !== "null");
    if (real.length === 1) return { ...flat(real[0]), description: found.description ?? flat(real[0]).description };
  }
  if (!found.allOf) return found;
  return found.allOf.map(flat).reduce(
    (all, part) => ({ ...all, ...part, properties: { ...all.properties, ...part.properties }, required: [...(all.required ?? []), ...(part.required ?? [])] }),
    { ...found, allOf: undefined },
  );
}

function typeWords(schema) {
  const found = flat(schema);
  const types = [found.type].flat().filter((type) => type && type !== "null");
  if (found.type === "array" || types[0] === "array") return t("reference.list_of", { type: nameOf(found.items) ?? typeWords(found.items ?? {}) });
  const name = nameOf(schema) ?? nameOf((schema.oneOf ?? schema.anyOf ?? []).find((choice) => choice.$ref));
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  return [name ?? types.join(" | "), found.format && `(${found.format})`].filter(Boolean).join(" ") || t("reference.any");
}

function limitsOf(found) {
  return [["minimum", "≥"], ["maximum", "≤"], ["minLength", "length ≥"], ["maxLength", "length ≤"], ["default", "default"], ["pattern", "pattern"]]
    .filter(([key]) => found[key] !== undefined)
    .map(([key, words]) => `${words} ${found[key]}`)
    .join(", ");
}

function field(name, schema, needed, depth) {
  const found = flat(schema);
  const inner = found.properties ? found : found.type === "array" ? flat(found.items ?? {}) : null;
  return h(
    "li",
    {},
    h("div", { class: "row wrap" }, h("span", { class: "fixed strong" }, name), h("span", { class: "quiet small" }, typeWords(schema)), needed && h("span", { class: "needed" }, t("reference.required"))),
    (schema.description ?? found.description) && h("p", { class: "small prose" }, prose(schema.description ?? found.description)),
    limitsOf(found) && h("p", { class: "quiet small fixed" }, limitsOf(found)),
    inner?.properties && depth < deepest && h("details", {}, h("summary", { class: "small" }, t("reference.fields")), fields(inner, depth + 1)),
  );
}

function fields(schema, depth = 0) {
  const found = flat(schema);
  if (found.type === "array" && found.items) return fields(found.items, depth);
  if (!found.properties) return h("p", { class: "quiet small" }, typeWords(schema));
  const needed = new Set(found.required ?? []);
  return h("ul", { class: "fields" }, Object.entries(found.properties).map(([name, property]) => field(name, property, needed.has(name), depth)));
}

function exampleOf(media) {
  const schema = resolve(media.schema);
  const example = media.example ?? Object.values(media.examples ?? {})[0]?.value ?? schema.example ?? schema.examples?.[0];
  return example === undefined ? null : h("pre", {}, JSON.stringify(example, null, 2));
}

function content(holder) {
  return Object.values(resolve(holder).content ?? {}).map((media) => [media.schema && fields(media.schema), exampleOf(media)]);
}

function operationSection({ id, method, path, operation, shared }) {
  const parameters = [...(shared ?? []), ...(operation.parameters ?? [])].map(resolve);
  return h(
    "section",
    { class: "operation", id, testid: "operation" },
    h("h3", {}, h("span", { class: `method ${method}` }, method), h("span", { class: "fixed" }, path)),
    operation.summary && h("p", { class: "strong" }, operation.summary),
    operation.description && h("p", { class: "prose" }, prose(operation.description)),
    parameters.length > 0 && [h("h4", {}, t("reference.parameters")), h("ul", { class: "fields" }, parameters.map((parameter) => field(`${parameter.name} (${parameter.in})`, { ...parameter.schema, description: parameter.description }, parameter.required, 0)))],
    operation.requestBody && [h("h4", {}, t("reference.body")), content(operation.requestBody)],
    h("h4", {}, t("reference.answers")),
    h(
      "ul",
      { class: "fields" },
      Object.entries(operation.responses ?? {}).map(([status, response]) => {
        const parts = content(response).flat(Infinity).filter(Boolean);
        return h("li", {}, h("div", { class: "row wrap" }, h("span", { class: "fixed strong" }, status), h("span", { class: "small" }, prose(resolve(response).description ?? ""))), parts.length > 0 && h("details", {}, h("summary", { class: "small" }, t("reference.fields")), parts));
      }),
    ),
  );
}

function operations() {
  const found = [];
  for (const [path, item] of Object.entries(spec.paths ?? {})) {
    for (const method of methods) {
      const operation = item[method];
      if (operation) found.push({ id: operation.operationId ?? `${method}${path.replace(/\W+/g, "-")}`, method, path, operation, shared: item.parameters, tag: operation.tags?.[0] ?? "" });
    }
  }
  return found;
}

function page() {
  const all = operations();
  const tags = [...new Set(all.map((entry) => entry.tag))];
  const aboutTag = (tag) => (spec.tags ?? []).find((candidate) => candidate.name === tag)?.description;
  const title = (tag) => (tag ? tag[0].toUpperCase() + tag.slice(1).replaceAll("_", " ") : t("reference.operations"));
  return h(
    "div",
    { class: "book-page" },
    h(
      "nav",
      { class: "contents", "aria-label": t("reference.contents") },
      h("div", { class: "row apart" }, h("a", { class: "brand", href: "/" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone API"), languageSwitch()),
      tags.map((tag) =>
        h(
          "details",
          { open: matchMedia("(min-width: 960px)").matches },
          h("summary", {}, title(tag)),
          h("ul", {}, all.filter((entry) => entry.tag === tag).map((entry) => h("li", {}, h("a", { href: `#${entry.id}` }, h("span", { class: `method ${entry.method}` }, entry.method), h("span", {}, entry.operation.summary ?? entry.path))))),
        ),
      ),
    ),
    h(
      "main",
      { class: "chapters" },
      h("header", { class: "stack" }, h("h1", {}, spec.info?.title ?? "API"), h("p", { class: "quiet" }, t("reference.version", { version: spec.info?.version ?? "" }), " · ", h("a", { href: "/openapi.json" }, "openapi.json")), spec.info?.description && h("p", { class: "prose" }, prose(spec.info.description))),
      tags.map((tag) => h("div", { class: "stack loose" }, h("h2", {}, title(tag)), aboutTag(tag) && h("p", { class: "quiet prose" }, prose(aboutTag(tag))), all.filter((entry) => entry.tag === tag).map(operationSection))),
    ),
  );
}

await loadMessages();
const root = byId("app");
show(root, h("main", { class: "chapters" }, loading()));
try {
  spec = await request("GET", "/openapi.json");
  show(root, page());
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
} catch (error) {
  show(root, h("main", { class: "chapters" }, notice("bad", h("p", {}, wordsFor(error)))));
}
