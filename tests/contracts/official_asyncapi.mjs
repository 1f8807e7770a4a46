// Reads the document with AsyncAPI's own parser; prints what it finds, errors first. Exit 1 on any error.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , parserFolder, documentPath] = process.argv;
const entry = createRequire(pathToFileURL(`${parserFolder}/`)).resolve('@asyncapi/parser');
const { Parser } = (await import(pathToFileURL(entry))).default;

const ERROR = 0;
const { document, diagnostics } = await new Parser().parse(readFileSync(documentPath, 'utf8'));
for (const found of diagnostics.filter((each) => each.severity === ERROR)) {
  console.log(`${found.path.join('.')}: ${found.message}`);
}
if (document === undefined || diagnostics.some((each) => each.severity === ERROR)) process.exit(1);
console.log(`${document.channels().all().length} channels, ${document.messages().all().length} messages`);
