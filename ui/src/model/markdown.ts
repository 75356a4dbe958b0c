// The little Markdown that a model card uses: headings, paragraphs, lists, tables, code. No HTML ever.

export type Block =
  | { kind: "heading"; level: number; text: Span[] }
  | { kind: "paragraph"; text: Span[] }
  | { kind: "list"; items: Span[][] }
  | { kind: "table"; head: Span[][]; rows: Span[][][] }
  | { kind: "code"; text: string };

export interface Span {
  kind: "text" | "strong" | "code";
  text: string;
}

export function parseMarkdown(source: string): Block[] {
  const blocks: Block[] = [];
  const lines = source.split(/\r?\n/u);
  let at = 0;
  while (at < lines.length) {
    const taken = takeBlock(lines, at, blocks);
    at += Math.max(1, taken);
  }
  return blocks;
}

/** Reads one block at `at`, and says how many lines it took. */
function takeBlock(lines: readonly string[], at: number, blocks: Block[]): number {
  const line = lines[at] ?? "";
  if (line.trim() === "") return 1;
  const heading = /^(#{1,6})\s+(.*)$/u.exec(line);
  if (heading) {
    blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, text: spans(heading[2] ?? "") });
    return 1;
  }
  if (isIndented(line)) {
    const code = takeWhile(lines, at, isIndented);
    blocks.push({ kind: "code", text: code.map((row) => row.slice(4)).join("\n") });
    return code.length;
  }
  if (line.startsWith("|")) return takeTable(lines, at, blocks);
  if (isItem(line)) {
    const items = takeWhile(lines, at, isItem);
    blocks.push({ kind: "list", items: items.map((item) => spans(item.replace(/^\s*[-*]\s+/u, ""))) });
    return items.length;
  }
  const text = takeWhile(lines, at, isProse);
  blocks.push({ kind: "paragraph", text: spans(text.join(" ")) });
  return text.length;
}

function takeTable(lines: readonly string[], at: number, blocks: Block[]): number {
  const rows = takeWhile(lines, at, (line) => line.startsWith("|"));
  const cells = rows.filter((row) => !/^\|[\s:|-]+\|?$/u.test(row)).map((row) => row.replace(/^\||\|\s*$/gu, "").split("|").map((cell) => spans(cell.trim())));
  const [head = [], ...body] = cells;
  blocks.push({ kind: "table", head, rows: body });
  return rows.length;
}

const isIndented = (line: string) => /^ {4}\S/u.test(line);
const isItem = (line: string) => /^\s{0,3}[-*]\s+/u.test(line);
const isProse = (line: string) => line.trim() !== "" && !/^(#{1,6}\s|\||\s{0,3}[-*]\s)/u.test(line);

function takeWhile(lines: readonly string[], at: number, test: (line: string) => boolean): string[] {
  const end = lines.findIndex((line, index) => index >= at && !test(line));
  return lines.slice(at, end < 0 ? lines.length : end);
}

function spans(text: string): Span[] {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/u).filter((part) => part !== "").map((part): Span => {
    if (part.startsWith("**")) return { kind: "strong", text: part.slice(2, -2) };
    if (part.startsWith("`")) return { kind: "code", text: part.slice(1, -1) };
    return { kind: "text", text: part };
  });
}
