// A made-up library, the same at each start: what is on each photo, which files fail, which devices there are.
import type { LabelSet, ModelInfo, Problem, ProblemCode, TemplateSet } from "./bindings";

/** Small seeded generator (mulberry32), so that every reload shows the same photos. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const SCENES = ["beach", "mountain", "city", "forest", "sunset", "portrait", "cat", "flowers"] as const;
export type Scene = (typeof SCENES)[number];

/** Labels that fit a scene, with the logit a good model would give. */
export const FITTING: Record<Scene, Record<string, number>> = {
  beach: { beach: 3.2, sea: 2.8, sky: 1.6, landscape: 1.1, sand: 2.2, summer: 0.8, outdoors: 1.4, boat: -0.4 },
  mountain: { mountain: 3.4, landscape: 2.6, snow: 1.2, hills: 1.8, sky: 1.5, outdoors: 1.9, nature: 1.7, forest: -0.2 },
  city: { city: 3.1, building: 2.7, street: 1.9, night: 1.2, car: 0.7, road: 0.5, people: 0.2 },
  forest: { forest: 3.3, tree: 2.9, nature: 2.2, plant: 1.4, outdoors: 1.6, green: 0.6, path: 0.1 },
  sunset: { sunset: 3.5, sky: 2.7, landscape: 1.6, sea: 0.4, evening: 1.4, nature: 0.7 },
  portrait: { person: 3.0, portrait: 2.6, people: 1.4, indoors: 0.2, woman: 0.3, man: 0.1 },
  cat: { cat: 3.6, pet: 2.9, animal: 2.7, indoors: 0.9, furniture: -0.3 },
  flowers: { flower: 3.4, plant: 2.8, nature: 1.5, garden: 1.3, spring: 0.4 },
};

export const LABEL_SETS: LabelSet[] = [
  { id: "everyday", labels: "person,people,portrait,cat,dog,pet,animal,bird,food,flower,plant,tree,forest,mountain,beach,sea,sky,sunset,landscape,city,building,street,road,car,boat,indoors,furniture,screenshot,document,night".split(",") },
  { id: "scenes", labels: "beach,mountain,forest,city,street,garden,park,field,river,lake,sea,desert,snow,sunset,night,indoors,kitchen,bedroom,office,landscape".split(",") },
  { id: "animals", labels: "cat,dog,horse,cow,sheep,bird,duck,fish,bear,rabbit,insect,butterfly".split(",") },
  { id: "objects", labels: "car,bicycle,motorcycle,bus,train,boat,airplane,chair,table,bed,lamp,book,clock,phone,computer,bottle,cup,bag,umbrella,shoe".split(",") },
  { id: "food", labels: "bread,cake,pizza,salad,soup,fruit,apple,banana,orange,strawberry,vegetable,coffee,tea,ice cream".split(",") },
  { id: "documents", labels: "document,receipt,handwriting,book page,screenshot,chart,drawing,map,photo".split(",") },
];

const SIMPLE = ["itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.", "a {} in a video game.", "art of the {}.", "a photo of the small {}."];

export const TEMPLATE_SETS: TemplateSet[] = [
  { id: "one", templates: ["a photo of a {}"] },
  { id: "simple7", templates: SIMPLE },
  { id: "openai80", templates: Array.from({ length: 80 }, (_, index) => `${SIMPLE[index % SIMPLE.length]?.replace(".", "") ?? "{}"}, no. ${index + 1}`) },
];

export const MODEL: ModelInfo = {
  name: "embedded",
  embedded: true,
  path: "",
  parameters: 16_930_000,
  bytes: 33_900_000,
  imageSize: [260, 260],
  embedDim: 256,
  contextLength: 77,
  imageTower: "EfficientNet-Lite2",
  textTower: "MiniLM, 4 layers",
  imageProjection: { kind: "linear", key: "visual.head.proj.weight", inputDim: 1280, outputDim: 256, bias: false, affineBefore: null },
  textProjection: { kind: "linear", key: "text.proj.weight", inputDim: 384, outputDim: 256, bias: false, affineBefore: "text.ln_final" },
  scoreKind: "sigmoid",
  logitScale: 39.7,
  logitBias: -12.82,
  defaultThreshold: 0.3,
  thresholds: [{ threshold: 0.3, precision: 0.612, recall: 0.551, tagsPerPhoto: 3.35, withoutTag: 0.065 }],
  licence: "Apache-2.0",
};

const FAILURES: { name: string; code: ProblemCode; params: Record<string, string>; message: string }[] = [
  { name: "IMG_2041.HEIC", code: "unsupportedFormat", params: { format: "HEIC" }, message: "unsupported format HEIC" },
  { name: "scan-damaged.jpg", code: "corrupt", params: { format: "JPEG", cause: "unexpected end of file" }, message: "cannot decode JPEG: unexpected end of file" },
  { name: "panorama-of-the-whole-valley-from-the-tower-2019-final-version.tif", code: "tooManyPixels", params: { width: "40000", height: "12000", megapixels: "480", limitMegapixels: "250" }, message: "480 megapixels is over the limit of 250" },
  { name: "empty.png", code: "emptyFile", params: {}, message: "the file is empty" },
  { name: "notes.jpg", code: "unknownFormat", params: {}, message: "not a picture" },
];

/** Every 23rd file fails, each in another way. */
export function failureAt(index: number): { name: string; problem: Problem } | null {
  if (index % 23 !== 11) return null;
  const failure = FAILURES[Math.floor(index / 23) % FAILURES.length];
  return failure ? { name: failure.name, problem: { code: failure.code, params: failure.params, message: failure.message } } : null;
}
