import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { SessionProvider } from '../live/context';
import { Session } from '../live/session';
import '../tokens-wall.css';
import { Wall } from './Wall';
import './wall.css';

const session = new Session();
session.start();

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <SessionProvider value={session}>
        <Wall />
      </SessionProvider>
    </StrictMode>,
  );
