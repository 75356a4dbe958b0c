// Models of the made-up shell: the real catalogue, with made-up downloads that go on, wait, pause and fail.
// `?models=downloading` begins with transfers in every state, `full` with little room on the disk, `broken` with a model whose
// folder is gone and a switch that fails; `loading` and `error` give no list.
import catalogue from "../../../assets/models/catalogue.json";
import type {
  CatalogueModel, Hub, InstalledModel, ModelInfo, ModelList, Problem, ProjectionInfo, Transfer, VerifyReport, WorkbenchEvent,
} from "./bindings";
import { checked } from "./fakeChecks";
import { MODEL, random } from "./fakeData";

type Entry = (typeof catalogue.models)[number];

const BEAT_MS = 250;
const BYTES_PER_SEC = 24_000_000;
const AT_ONCE = 2;
const STEP_MS = 300;
const FOLDER = "/home/ada/.local/share/cliploupe/models";
const HUB = "https://huggingface.co";
const MINE = "flowers-finetune";
const DEFAULT = "ViT-B-32-256/datacomp_s34b_b86k";
/** Groups that the made-up engine does not take, to show how that looks. */
const REFUSED: Record<string, string> = { coca: "multimodal_cfg (CoCa)", nllb: "the language token of NLLB" };

const DROPPED: Problem = { code: "network", params: { host: "huggingface.co", cause: "it fell silent" }, message: "huggingface.co cannot be reached (it fell silent)." };
const GONE: Problem = { code: "modelFolder", params: { path: `/media/usb/${MINE}`, cause: "it is no longer there" }, message: `${MINE} is no longer at "/media/usb/${MINE}".` };

function denied(entry: Entry): Problem {
  const page = `${HUB}/${repoOf(entry)}`;
  return { code: "accessDenied", params: { host: "huggingface.co", name: entry.name, status: "401", page }, message: `${entry.name} was not downloaded: huggingface.co answers 401.` };
}

function repoOf(entry: Entry): string {
  return "hub" in entry.source && entry.source.hub ? entry.source.hub.repo : "openaipublic.azureedge.net";
}

function entryOf(name: string): Entry | undefined {
  return catalogue.models.find((entry) => entry.name === name);
}

export class FakeModels {
  active = MODEL.name;
  #send: (event: WorkbenchEvent) => void;
  #installed = new Map<string, InstalledModel>();
  #transfers = new Map<string, Transfer>();
  #dropped = new Set<string>();
  #stopped = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #hub: Hub = { setting: null, endpoint: HUB, fromEnvironment: false, hasToken: false };
  #scenario: string;

  constructor(query: URLSearchParams, send: (event: WorkbenchEvent) => void) {
    this.#send = send;
    this.#scenario = query.get("models") ?? "";
    this.#seed();
  }

  async list(): Promise<ModelList> {
    if (this.#scenario === "loading") return new Promise(() => undefined);
    const problem: Problem = { code: "modelStore", params: { path: FOLDER, cause: "permission denied" }, message: `cannot read ${FOLDER}: permission denied` };
    if (this.#scenario === "error") throw problem;
    await new Promise((resolve) => setTimeout(resolve, 60));
    return this.#list();
  }

  isInstalled(name: string): boolean {
    return name === MODEL.name || this.#installed.has(name);
  }

  async pull(name: string): Promise<void> {
    const entry = entryOf(name);
    const here = this.#transfers.get(name)?.received ?? 0;
    if (!entry) return;
    this.#transfers.set(name, transferOf(name, { state: "waiting", received: here, total: entry.bytes_f32 }));
    this.#tellAll();
    this.#run();
  }

  async pause(name: string): Promise<void> {
    this.#change(name, { state: "paused", ratePerSec: null, secsLeft: null });
    this.#tellAll();
  }

  async cancel(name: string): Promise<void> {
    this.#transfers.delete(name);
    this.#tellAll();
  }

  async import(inPlace: boolean): Promise<string | null> {
    const name = "herbarium-vit-b-16";
    const total = 598_600_000;
    this.#transfers.set(name, transferOf(name, { state: "checking", total }));
    this.#tellAll();
    await wait(900);
    for (let received = 0; received < total; received += total / 14) {
      if (!this.#transfers.has(name)) return null;
      this.#change(name, { state: "receiving", file: "open_clip_model.safetensors", received, ratePerSec: 410_000_000 });
      await wait(inPlace ? 60 : 160);
    }
    this.#transfers.delete(name);
    this.#installed.set(name, installedAs(name, total, { inPlace, path: inPlace ? `/home/ada/checkpoints/${name}` : `${FOLDER}/${name}`, origin: `/home/ada/checkpoints/${name}`, licence: null }));
    this.#tellAll();
    return name;
  }

  async remove(name: string): Promise<void> {
    if (name === this.active) {
      const problem: Problem = { code: "modelInUse", params: { name }, message: `${name} was not removed: it computes now.` };
      throw problem;
    }
    this.#installed.delete(name);
    this.#tellAll();
  }

  async verify(name: string): Promise<VerifyReport> {
    this.#stopped.delete(name);
    const checks = checked(name === MINE);
    for (const [index, { id }] of checks.entries()) {
      if (this.#stopped.has(name)) {
        const made = checks.map((check, place) => (place < index ? check : { ...check, outcome: "skipped" as const, figure: null, params: { reason: "stopped" }, message: "not made: stopped before" }));
        return { name, outcome: "warn", checks: made };
      }
      this.#send({ kind: "verifyProgress", progress: { name, id, fraction: index / checks.length, checks: checks.slice(0, index) } });
      await wait(STEP_MS);
    }
    return { name, outcome: checks.some((check) => check.outcome === "fail") ? "fail" : "warn", checks };
  }

  async cancelVerify(name: string): Promise<void> {
    this.#stopped.add(name);
  }

  async setHub(endpoint: string | null): Promise<void> {
    await wait(120);
    this.#hub = { ...this.#hub, setting: endpoint, endpoint: endpoint ?? HUB };
    this.#tellAll();
  }

  use(name: string): void {
    this.active = name;
    this.#tellAll();
  }

  infoOf(name: string): ModelInfo {
    if (name === MODEL.name) return MODEL;
    const entry = entryOf(name) ?? entryOf(DEFAULT);
    const place = this.#installed.get(name);
    return entry ? infoFrom(entry, name, place) : MODEL;
  }

  #seed(): void {
    for (const name of [DEFAULT, "RN50/openai"]) {
      const entry = entryOf(name);
      if (entry) this.#installed.set(name, installedAs(name, entry.bytes_f32, { path: `${FOLDER}/${name.replace("/", "-")}`, origin: repoOf(entry), licence: entry.licence }));
    }
    const problem = this.#scenario === "broken" ? GONE : null;
    this.#installed.set(MINE, installedAs(MINE, 605_192_104, { inPlace: true, path: `/media/usb/${MINE}`, origin: `/media/usb/${MINE}`, licence: null, problem }));
    if (this.#scenario !== "downloading") return;
    const seeded: [name: string, share: number, change: Partial<Transfer>][] = [
      ["ViT-B-16/datacomp_xl_s13b_b90k", 0.37, { state: "receiving", file: "open_clip_model.safetensors" }],
      ["PE-Core-L-14-336/meta", 0.08, { state: "retrying", file: "open_clip_model.safetensors", problem: DROPPED }],
      ["ViT-B-16-SigLIP2-256/webli", 0, { state: "waiting" }],
      ["ViT-L-14/datacomp_xl_s13b_b90k", 0.63, { state: "paused" }],
      ["MobileCLIP2-S0/dfndr2b", 0, { state: "failed", problem: denied(entryOf("MobileCLIP2-S0/dfndr2b") as Entry) }],
      ["ViT-H-14-378/dfn5b", 0.29, { state: "failed", problem: DROPPED }],
    ];
    for (const [name, share, change] of seeded) {
      const total = entryOf(name)?.bytes_f32;
      if (total !== undefined) this.#transfers.set(name, transferOf(name, { total, received: share * total, ...change }));
    }
    this.#run();
  }

  #list(): ModelList {
    const embedded: CatalogueModel = { ...unlisted(MODEL.name), state: "embedded", bytes: MODEL.bytes, licence: MODEL.licence, noncommercial: false };
    const here = [...this.#installed.values()].map((installed): CatalogueModel => {
      const entry = entryOf(installed.name);
      const row = entry ? listed(entry) : unlisted(installed.name);
      return { ...row, state: "installed", installed, bytes: installed.bytes, source: installed.origin };
    });
    const rest = catalogue.models.filter((entry) => !this.#installed.has(entry.name)).map((entry) => this.#withTransfer(listed(entry)));
    const copies = [...this.#transfers.keys()].filter((name) => !entryOf(name)).map((name) => this.#withTransfer(unlisted(name)));
    const models = [embedded, ...here, ...rest, ...copies].map((model) => ({ ...model, active: model.name === this.active }));
    return { models, folder: FOLDER, freeBytes: this.#scenario === "full" ? 912_000_000 : 118_400_000_000, hub: this.#hub };
  }

  #withTransfer(model: CatalogueModel): CatalogueModel {
    const transfer = this.#transfers.get(model.name);
    if (!transfer) return model;
    const state = transfer.state === "paused" || transfer.state === "failed" ? transfer.state : "downloading";
    return { ...model, state, transfer };
  }

  #change(name: string, change: Partial<Transfer>): void {
    const before = this.#transfers.get(name);
    if (!before) return;
    const transfer = { ...before, ...change };
    this.#transfers.set(name, transfer);
    this.#send({ kind: "transferProgress", transfer });
  }

  #tellAll(): void {
    this.#send({ kind: "modelsChanged", list: this.#list() });
  }

  #run(): void {
    this.#timer ??= setInterval(() => this.#beat(), BEAT_MS);
  }

  /** The first two that want to move do; the others wait. */
  #beat(): void {
    const moving = [...this.#transfers.values()].filter((transfer) => entryOf(transfer.name) && !["paused", "failed"].includes(transfer.state));
    if (moving.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    for (const transfer of moving.slice(0, AT_ONCE)) this.#move(transfer);
  }

  #move({ name, state, received, total }: Transfer): void {
    const entry = entryOf(name) as Entry;
    const all = total ?? entry.bytes_f32;
    if (state === "waiting") return this.#change(name, { state: "connecting" });
    if (state === "connecting" && entry.licence === "apple-amlr") {
      this.#change(name, { state: "failed", problem: denied(entry) });
      return this.#tellAll();
    }
    if (state === "checking") return this.#arrive(entry);
    const isLong = entry.bytes_f32 > 2e9;
    if (isLong && received > 0.12 * all && !this.#dropped.has(name)) {
      this.#dropped.add(name);
      return this.#change(name, { state: "retrying", ratePerSec: null, secsLeft: null, problem: DROPPED });
    }
    const rate = BYTES_PER_SEC * (0.8 + 0.4 * random(received)());
    const next = Math.min(all, received + rate * (BEAT_MS / 1000));
    const change: Partial<Transfer> = { received: next, problem: null, file: "open_clip_model.safetensors", ratePerSec: rate, secsLeft: (all - next) / rate };
    this.#change(name, { ...change, state: next >= all ? "checking" : "receiving" });
  }

  #arrive(entry: Entry): void {
    this.#transfers.delete(entry.name);
    this.#installed.set(entry.name, installedAs(entry.name, entry.bytes_f32, { path: `${FOLDER}/${entry.name.replace("/", "-")}`, origin: repoOf(entry), licence: entry.licence }));
    this.#tellAll();
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function transferOf(name: string, change: Partial<Transfer>): Transfer {
  return { name, state: "waiting", file: null, received: 0, total: null, ratePerSec: null, secsLeft: null, problem: null, ...change };
}

function installedAs(name: string, bytes: number, change: Partial<InstalledModel>): InstalledModel {
  const next = random(name.length * 977 + bytes);
  const sha256 = Array.from({ length: 64 }, () => Math.floor(next() * 16).toString(16)).join("");
  const files = [{ name: "open_clip_model.safetensors", bytes: bytes - 2400, sha256 }, { name: "open_clip_config.json", bytes: 2400, sha256: sha256.split("").reverse().join("") }];
  return { name, path: `${FOLDER}/${name}`, inPlace: false, origin: "", bytes, installedMs: 1_763_900_000_000, sha256, files, licence: null, problem: null, ...change };
}

function unlisted(name: string): CatalogueModel {
  return {
    name, model: null, tag: null, group: null, state: "available", active: false, imageSize: null, embedDim: null, parameters: null, bytes: null,
    imagenetTop1: null, licence: null, noncommercial: null, language: null, recommended: null, why: null, note: null, source: null, page: null,
    unsupported: null, installed: null, transfer: null,
  };
}

function listed(entry: Entry): CatalogueModel {
  return {
    ...unlisted(entry.name), model: entry.model, tag: entry.tag, group: entry.group, imageSize: [entry.image_size, entry.image_size], embedDim: entry.embed_dim,
    parameters: entry.parameters, bytes: entry.bytes_f32, imagenetTop1: entry.imagenet_top1, licence: entry.licence, noncommercial: entry.noncommercial,
    language: entry.language, recommended: entry.recommended as CatalogueModel["recommended"], why: entry.why, note: entry.note,
    source: repoOf(entry), page: "hub" in entry.source ? `${HUB}/${repoOf(entry)}` : null, unsupported: REFUSED[entry.group] ?? null,
  };
}

function infoFrom(entry: Entry, name: string, place: InstalledModel | undefined): ModelInfo {
  const isSigmoid = entry.group.startsWith("siglip");
  const width = entry.parameters > 3e8 ? 1024 : 768;
  const image: ProjectionInfo = isSigmoid
    ? { kind: "identity", key: "visual.trunk.attn_pool", inputDim: width, outputDim: width, bias: false, affineBefore: null }
    : { kind: "linear", key: "visual.proj", inputDim: width, outputDim: entry.embed_dim, bias: false, affineBefore: "visual.ln_post" };
  const text: ProjectionInfo = isSigmoid
    ? { kind: "linear", key: "text.text_projection.weight", inputDim: width, outputDim: width, bias: true, affineBefore: "text.ln_final" }
    : { kind: "linear", key: "text_projection", inputDim: 512, outputDim: entry.embed_dim, bias: false, affineBefore: "ln_final" };
  return {
    ...MODEL, name, embedded: false, path: place?.path ?? "", parameters: entry.parameters, bytes: entry.bytes_f32, imageSize: [entry.image_size, entry.image_size],
    embedDim: entry.embed_dim, imageTower: `ViT, 12 layers, width ${width}`, textTower: "Transformer, 12 layers, width 512", imageProjection: image, textProjection: text,
    scoreKind: isSigmoid ? "sigmoid" : "softmax", logitScale: 100, logitBias: isSigmoid ? -12.9 : null, defaultThreshold: 0.2, thresholds: [], licence: entry.licence,
  };
}
