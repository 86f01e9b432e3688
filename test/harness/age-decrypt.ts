import { readFileSync } from 'node:fs';
import { Decrypter } from 'age-encryption';

/** `age --decrypt -i FILE`, where there is no age: reads a file of age's from standard input, and writes what it opens to. */
const decrypter = new Decrypter();
decrypter.addIdentity(readFileSync(process.argv[2]!, 'utf8').trim());
process.stdout.write(await decrypter.decrypt(readFileSync(0)));
