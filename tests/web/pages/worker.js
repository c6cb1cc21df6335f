import { predict } from './predict.js';

postMessage(await predict().catch((error) => ({ error: `${error.name}: ${error.message}` })));
