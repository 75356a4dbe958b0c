// Everything that is known of a model, in sections; what is not known says when it will be.
import type { CatalogueModel, Check, ModelInfo, ProjectionInfo } from "../../ipc/bindings";
import * as format from "../../model/format";
import { weightsInMemory } from "../../model/models";
import { currentLocale, t, tIfKnown } from "../../state/i18n.svelte";
import { groupName, languageName } from "../../state/modelWords";
import { projectionKey, projectionWords } from "../chips/modelWords";
import { accuracy, scoreWords, size } from "./words";

export interface Fact {
  term: string;
  value: string;
  /** A key, path or hash: set in the even-width font, and broken anywhere. */
  code?: boolean;
  /** The value stands for "not known". */
  unknown?: boolean;
  /** A second line under it: a key of the checkpoint. */
  detail?: string;
}

function fact(term: string, value: string | null | false | undefined, rest: Partial<Fact> = {}): Fact[] {
  return value === null || value === false || value === undefined || value === "" ? [] : [{ term, value, ...rest }];
}

function laterUsed(term: string): Fact {
  return { term, value: t("facts.laterUsed"), unknown: true };
}

export function makeFacts(model: CatalogueModel, info: ModelInfo | undefined, checks: readonly Check[]): Fact[] {
  const { group } = model;
  const image = info?.imageTower ?? (group && tIfKnown(`group.${group}.image`));
  const text = info?.textTower ?? (group && tIfKnown(`group.${group}.text`));
  return [
    ...fact(t("models.kind"), group && groupName(group)),
    image ? { term: t("model.imageTower"), value: image } : laterUsed(t("model.imageTower")),
    text ? { term: t("model.textTower"), value: text } : laterUsed(t("model.textTower")),
    model.imageSize ? { term: t("model.input"), value: t("model.inputSize", { width: model.imageSize[1], height: model.imageSize[0] }) } : laterUsed(t("model.input")),
    preprocessing(checks),
    ...fact(t("model.jointSpace"), model.embedDim !== null && t("model.dimensions", { count: model.embedDim })),
    ...fact(t("model.parameters"), model.parameters !== null && t("facts.parameters", { short: format.compact(model.parameters, currentLocale()), count: model.parameters })),
    { term: t("models.language"), value: languageName(model.language), unknown: model.language === null },
    tokens(info, checks),
    ...fact(t("model.scores"), info && scoreWords(info)),
    model.imagenetTop1 === null ? { term: t("models.accuracy"), value: t("models.unknown"), unknown: true } : { term: t("models.accuracy"), value: t("facts.accuracy", { accuracy: accuracy(model.imagenetTop1) }) },
  ];
}

/** The report's own parameters, where the model has been checked. */
function preprocessing(checks: readonly Check[]): Fact {
  const params = checks.find((check) => check.id === "preprocessing")?.params;
  const term = t("facts.preprocessing");
  if (params?.resize === undefined || params.interpolation === undefined || params.mean === undefined || params.std === undefined) {
    return { term, value: t("facts.laterVerified"), unknown: true };
  }
  const { resize, interpolation, mean, std } = params;
  return { term, value: t("facts.preprocessingWords", { resize, interpolation, mean, std }) };
}

function tokens(info: ModelInfo | undefined, checks: readonly Check[]): Fact {
  const term = t("facts.tokenizer");
  const vocabulary = Number(checks.find((check) => check.id === "tokenizer")?.params.vocabulary?.replaceAll(",", ""));
  const words = [
    Number.isInteger(vocabulary) && vocabulary > 0 ? t("facts.vocabulary", { count: vocabulary }) : "",
    info ? t("facts.context", { count: info.contextLength }) : "",
  ].filter(Boolean);
  return words.length > 0 ? { term, value: words.join(" · ") } : laterUsed(term);
}

export function projectionFacts(info: ModelInfo | undefined): Fact[] {
  if (!info) return [];
  const of = (term: string, projection: ProjectionInfo): Fact => ({ term, value: projectionWords(projection), detail: projectionKey(projection) });
  return [of(t("model.imageProjection"), info.imageProjection), of(t("model.textProjection"), info.textProjection)];
}

export function originFacts(model: CatalogueModel): Fact[] {
  const { installed } = model;
  return [
    ...fact(t("models.source"), model.state === "embedded" ? t("models.inside") : model.source, { code: model.state !== "embedded" }),
    ...fact(t("models.page"), model.page, { code: true }),
    ...fact(t("models.weightsFile"), installed?.files[0]?.name ?? model.transfer?.file, { code: true }),
    installed ? { term: "SHA-256", value: installed.sha256, code: true } : { term: "SHA-256", value: model.state === "embedded" ? t("models.inside") : t("facts.hashLater"), unknown: true },
    ...fact(t("models.installedOn"), installed && format.dateTime(installed.installedMs, currentLocale())),
  ].filter((row) => !(model.state === "embedded" && row.term === "SHA-256"));
}

export function spaceFacts(model: CatalogueModel): Fact[] {
  const { installed } = model;
  const memory = weightsInMemory(model);
  const onDisk = model.bytes === null ? null : installed || model.state === "embedded" ? size(model.bytes) : t("facts.atMost", { size: size(model.bytes) });
  return [
    onDisk === null ? { term: t("facts.onDisk"), value: t("models.unknown"), unknown: true } : { term: t("facts.onDisk"), value: onDisk },
    memory === null ? laterUsed(t("facts.memory")) : { term: t("facts.memory"), value: t("facts.memoryWords", { size: size(memory) }) },
    ...fact(t("facts.folder"), installed?.path, { code: true }),
  ];
}

