"""Who may do what: grants, tokens, logging in. Every edge (REST, pages, WebSocket, admin, XML-RPC) asks here and
nowhere else."""
